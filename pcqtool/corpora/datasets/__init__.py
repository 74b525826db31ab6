"""The built-in corpora, a module each; each lists the utterances of one published dataset."""
