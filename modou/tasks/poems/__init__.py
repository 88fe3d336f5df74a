"""Tang poems: forms, rhymes and acrostics that rules can check; `task` ties the files together."""
