"""Models for other software, and from it: a run out as a Hugging Face directory, GGUF, Ollama or CTranslate2, and a
Hugging Face directory in as a run. Never trains, never unpickles, never runs code that a directory brings."""
