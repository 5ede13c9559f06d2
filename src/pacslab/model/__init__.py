"""The nouns of pacslab: frozen values without input or output, standard library only."""
