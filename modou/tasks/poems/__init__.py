"""Tang poems: forms, rhymes and acrostics that rules can check."""
