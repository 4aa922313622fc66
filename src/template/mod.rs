//! Texts with places for secrets, in consul-template's language.
