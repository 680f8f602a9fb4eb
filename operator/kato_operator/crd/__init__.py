"""The KatoInstance: its models, their rules, and the CRD that is generated from them."""
