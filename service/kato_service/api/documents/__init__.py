"""What describes the API: two OpenAPI documents, and the page that shows them.

`document` builds a document from the routes, `page` serves the page from files in `assets`, and
`paths` mounts both. Prose is in `texts` and `messages`.
"""
