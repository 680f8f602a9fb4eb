"""What goes in and comes out: request bodies, answers, and how each generation spells them."""
