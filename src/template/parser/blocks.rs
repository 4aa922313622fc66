//! Bodies and the actions that shape them.

use super::{Kind, Node, Parser, Problem, root};
use crate::template::{
    error::Fault,
    syntax::{Branch, Call, Pipe},
    text::Text,
};

/// What ended a body.
enum Stop {
    /// `end`, taken with its action's close.
    End,
    /// `else`, of which nothing but the word is taken.
    Else(usize),
}

/// The three blocks with a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    With,
    Range,
}

impl Block {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

impl Parser<'_> {
    /// Reads the source from its first to its last token.
    pub(super) fn whole(&mut self) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End => return Ok(nodes),
                Kind::Text(text) => nodes.push(Node::Text(Text::from(text))),
                Kind::Open if self.take_word("define") => self.define(token.at)?,
                Kind::Open if matches!(self.peek().kind, Kind::Word("end" | "else")) => {
                    let word = super::describe(&self.peek().kind);
                    return Err(self.fault(self.peek().at, format!("{word} belongs to no open block")));
                }
                _ => nodes.push(self.action()?),
            }
        }
    }

    /// Reads a body up to its `end` or `else`; `at` and `word` are the block's own, for the message when neither comes.
    fn body(&mut self, at: usize, word: &str) -> Result<(Vec<Node>, Stop), Fault> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End => return Err(self.fault(at, format!("this {word} has no end"))),
                Kind::Text(text) => nodes.push(Node::Text(Text::from(text))),
                _ if self.take_word("end") => {
                    self.close("end")?;
                    return Ok((nodes, Stop::End));
                }
                _ => {
                    let else_at = self.peek().at;
                    if self.take_word("else") {
                        return Ok((nodes, Stop::Else(else_at)));
                    }
                    nodes.push(self.action()?);
                }
            }
        }
    }

    /// Reads what follows an action's begin.
    fn action(&mut self) -> Result<Node, Fault> {
        let at = self.peek().at;
        let Kind::Word(word) = self.peek().kind else { return self.plain_action() };
        let block = match word {
            "if" => Block::If,
            "with" => Block::With,
            "range" => Block::Range,
            "template" => return self.call(at),
            "block" => return self.block(at),
            "break" | "continue" => return self.jump(at, word),
            "define" => return Err(self.fault(at, "define must stand outside of all blocks")),
            _ => return self.plain_action(),
        };
        self.next += 1;
        self.branch(at, block)
    }

    fn plain_action(&mut self) -> Result<Node, Fault> {
        let pipe = self.pipe("an action", 1)?;
        self.close("an action")?;
        Ok(Node::Action(pipe))
    }

    fn jump(&mut self, at: usize, word: &str) -> Result<Node, Fault> {
        self.next += 1;
        self.close(word)?;
        match (self.loops, word) {
            (0, _) => Err(self.fault(at, format!("{word} stands outside of every range"))),
            (_, "break") => Ok(Node::Break),
            _ => Ok(Node::Continue),
        }
    }

    fn branch(&mut self, at: usize, block: Block) -> Result<Node, Fault> {
        let seen = self.variables.len();
        let branch = self.nested(at, |parser| parser.branch_parts(at, block))?;
        self.variables.truncate(seen);
        Ok(match block {
            Block::If => Node::If(branch),
            Block::With => Node::With(branch),
            Block::Range => Node::Range(branch),
        })
    }

    fn branch_parts(&mut self, at: usize, block: Block) -> Result<Branch, Fault> {
        let word = block.word();
        let pipe = self.pipe(word, if block == Block::Range { 2 } else { 1 })?;
        self.close(word)?;
        let in_loop = usize::from(block == Block::Range);
        self.loops += in_loop;
        let seen = self.variables.len();
        let (body, stop) = self.body(at, word)?;
        self.variables.truncate(seen);
        self.loops -= in_loop;
        let otherwise = match stop {
            Stop::End => Vec::new(),
            Stop::Else(_) => self.otherwise(at, block)?,
        };
        Ok(Branch { at, pipe, body, otherwise })
    }

    /// Reads what follows the word `else`: its own body, or the same block again with another condition.
    fn otherwise(&mut self, at: usize, block: Block) -> Result<Vec<Node>, Fault> {
        let again = self.peek().at;
        if block != Block::Range && self.take_word(block.word()) {
            return Ok(vec![self.branch(again, block)?]);
        }
        self.close("else")?;
        match self.body(at, block.word())? {
            (body, Stop::End) => Ok(body),
            (_, Stop::Else(second)) => Err(self.fault(second, format!("this {} has an else already", block.word()))),
        }
    }

    fn define(&mut self, at: usize) -> Result<(), Fault> {
        let name = self.name("define")?;
        self.close("define")?;
        self.definition(at, name, "define")
    }

    fn block(&mut self, at: usize) -> Result<Node, Fault> {
        self.next += 1;
        let name = self.name("block")?;
        let argument = Some(self.pipe("block", 0)?);
        self.close("block")?;
        self.definition(at, name.clone(), "block")?;
        Ok(Node::Call(Call { at, name, argument }))
    }

    /// Reads a named body, which sees none of the variables around it.
    fn definition(&mut self, at: usize, name: String, word: &str) -> Result<(), Fault> {
        let outer = std::mem::replace(&mut self.variables, root());
        let loops = std::mem::take(&mut self.loops);
        let (body, stop) = self.nested(at, |parser| parser.body(at, word))?;
        self.variables = outer;
        self.loops = loops;
        if let Stop::Else(at) = stop {
            return Err(self.fault(at, format!("{word} takes no else")));
        }
        match self.defines.insert(name.clone(), body) {
            None => Ok(()),
            Some(_) => Err(self.fault(at, format!("template {name:?} is defined twice"))),
        }
    }

    fn call(&mut self, at: usize) -> Result<Node, Fault> {
        self.next += 1;
        let name = self.name("template")?;
        let argument: Option<Pipe> = match self.peek().kind {
            Kind::Close => None,
            _ => Some(self.pipe("template", 0)?),
        };
        self.close("template")?;
        self.calls.push((at, name.clone()));
        Ok(Node::Call(Call { at, name, argument }))
    }

    fn name(&mut self, context: &str) -> Result<String, Fault> {
        let token = self.take();
        match &token.kind {
            Kind::Quoted(text) => text
                .utf8()
                .map(str::to_owned)
                .ok_or_else(|| Problem::message(format!("the name of a {context} must be UTF-8")).at(token.at)),
            _ => Err(self.fault(token.at, format!("{context} needs a quoted name"))),
        }
    }
}
