//! Reads tokens into a tree, and refuses at once what could only go wrong later.
//!
//! Unknown functions and variables, wrong numbers of arguments, unbalanced blocks, paths that may not be asked for and
//! calls of templates that nobody defines are found here, with their place, even in branches that would never run.

mod blocks;
mod expressions;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    error::{Fault, Problem},
    lexer::{self, Delimiters, Kind, Token},
    limits::NESTING,
    syntax::{Node, Tree},
};

/// Reads `source` into a tree.
pub fn parse(source: &str, delimiters: &Delimiters) -> Result<Tree, Fault> {
    let tokens = lexer::tokens(source, delimiters)?;
    let mut parser =
        Parser { tokens, next: 0, depth: 0, loops: 0, variables: root(), defines: BTreeMap::new(), calls: Vec::new() };
    let body = parser.whole()?;
    parser.calls_are_defined()?;
    Ok(Tree { body, defines: parser.defines })
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    next: usize,
    /// Blocks and parentheses that are open.
    depth: usize,
    /// Loops that are open.
    loops: usize,
    /// The variables in view, innermost last.
    variables: Vec<Arc<str>>,
    defines: BTreeMap<String, Vec<Node>>,
    /// The templates that are called, and where.
    calls: Vec<(usize, String)>,
}

/// The one variable every template begins with.
fn root() -> Vec<Arc<str>> {
    vec!["$".into()]
}

impl<'s> Parser<'s> {
    /// Looks at the next token; the last one, the end, stays for ever.
    fn peek(&self) -> &Token<'s> {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'s> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// Goes on with the token behind the current one if it is the word `word`.
    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek().kind, Kind::Word(w) if w == word);
        self.next += usize::from(found);
        found
    }

    fn close(&mut self, context: &str) -> Result<(), Fault> {
        match self.peek().kind {
            Kind::Close => {
                self.next += 1;
                Ok(())
            }
            _ => Err(self.unexpected(context)),
        }
    }

    fn fault(&self, at: usize, words: impl Into<String>) -> Fault {
        Problem::message(words).at(at)
    }

    fn unexpected(&self, context: &str) -> Fault {
        let token = self.peek();
        self.fault(token.at, format!("{} is out of place in {context}", describe(&token.kind)))
    }

    /// Runs `read` one level deeper.
    fn nested<T>(&mut self, at: usize, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == NESTING {
            return Err(Problem::Limit("nests blocks and parentheses more than 64 deep").at(at));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Checks that every template called has a definition somewhere in the source.
    fn calls_are_defined(&self) -> Result<(), Fault> {
        match self.calls.iter().find(|(_, name)| !self.defines.contains_key(name)) {
            Some((at, name)) => Err(self.fault(*at, format!("template {name:?} is defined nowhere in this source"))),
            None => Ok(()),
        }
    }
}

/// Returns a token in words.
fn describe(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Text(_) => "text".to_owned(),
        Kind::Open => "the action's begin".to_owned(),
        Kind::Close => "the action's end".to_owned(),
        Kind::Word(word) => format!("`{word}`"),
        Kind::Field(name) => format!("`.{name}`"),
        Kind::Variable(name) => format!("`{name}`"),
        Kind::Quoted(_) => "a quoted text".to_owned(),
        Kind::Int(number) => format!("`{number}`"),
        Kind::Float(number) => format!("`{number}`"),
        Kind::Dot => "`.`".to_owned(),
        Kind::Pipe => "`|`".to_owned(),
        Kind::Comma => "`,`".to_owned(),
        Kind::Declare => "`:=`".to_owned(),
        Kind::Assign => "`=`".to_owned(),
        Kind::Left => "`(`".to_owned(),
        Kind::Right => "`)`".to_owned(),
        Kind::End => "the source's end".to_owned(),
    }
}
