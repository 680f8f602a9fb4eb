"""Operations on the vectors of a knowledge base, and their labels in answers."""
