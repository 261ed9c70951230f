"""Records of answers, by subject. Each names the schema of the platform's OpenAPI document that it stands for.

Names of enumerations stay plain text, so that a value that is new does not break an older client.
"""
