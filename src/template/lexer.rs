//! Cuts a source into tokens: text outside of actions, words and signs inside.
//!
//! Follows Go's rules for blanks, trim markers, comments and literals, and knows no grammar.

use super::{
    error::{Fault, Problem},
    literal,
    text::Text,
};

/// One token.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    /// Which it is.
    pub kind: Kind<'a>,
    /// Where it begins, in bytes.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
}

/// The kinds of token.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// Outside of actions, trimmed.
    Text(&'a str),
    /// Begins an action.
    Open,
    /// Ends an action.
    Close,
    /// A function's name or a keyword.
    Word(&'a str),
    /// `.name`, without the dot.
    Field(&'a str),
    /// `$` or `$name`, with the dollar.
    Variable(&'a str),
    /// A quoted text, as it reads.
    Quoted(Text),
    /// A whole number or a character.
    Int(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `.` alone.
    Dot,
    /// `|`
    Pipe,
    /// `,`
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `(`
    Left,
    /// `)`
    Right,
    /// The source is over.
    End,
}

/// What opens and closes an action.
#[derive(Clone, Debug)]
pub struct Delimiters {
    /// `{{` unless the job says otherwise.
    pub left: String,
    /// `}}` unless the job says otherwise.
    pub right: String,
}

/// Returns the tokens of `source`, the last of which is the end.
pub fn tokens<'a>(source: &'a str, delimiters: &Delimiters) -> Result<Vec<Token<'a>>, Fault> {
    let mut lexer = Lexer { source, delimiters, at: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'s, 'd> {
    source: &'s str,
    delimiters: &'d Delimiters,
    at: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut trims = false;
        while let Some(length) = self.rest().find(&self.delimiters.left) {
            let open = self.at + length;
            let inside = open + self.delimiters.left.len();
            let marked = marked_left(&self.source[inside..]);
            self.text(open, trims, marked);
            self.at = inside + if marked { 1 } else { 0 };
            trims = self.action(open, marked)?;
        }
        self.text(self.source.len(), trims, false);
        self.at = self.source.len();
        self.push(Kind::End, self.at);
        Ok(())
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind<'s>, start: usize) {
        self.tokens.push(Token { kind, at: start, end: self.at });
    }

    /// Takes the text up to `end`, without the blanks that a marker before or after it eats.
    fn text(&mut self, end: usize, trim_start: bool, trim_end: bool) {
        let start = self.at;
        let mut text = &self.source[start..end];
        if trim_start {
            text = text.trim_start_matches(is_blank);
        }
        if trim_end {
            text = text.trim_end_matches(is_blank);
        }
        if !text.is_empty() {
            self.tokens.push(Token { kind: Kind::Text(text), at: start, end });
        }
    }

    /// Takes an action, or a comment, that began at `open`; says whether its end trims the text after it.
    fn action(&mut self, open: usize, marked: bool) -> Result<bool, Fault> {
        let skipped = if marked { self.rest().len() - self.rest().trim_start_matches(is_blank).len() } else { 0 };
        // Go takes exactly one blank between marker and comment; more are harmless.
        if self.rest()[skipped..].starts_with("/*") {
            self.at += skipped;
            return self.comment(open);
        }
        self.push(Kind::Open, open);
        loop {
            let blanks = self.blanks();
            if let Some(trims) = self.close(blanks) {
                return Ok(trims);
            }
            if self.rest().is_empty() {
                return Err(Problem::message(format!("the action is not closed by {}", self.delimiters.right)).at(open));
            }
            self.token()?;
        }
    }

    fn comment(&mut self, open: usize) -> Result<bool, Fault> {
        let length = self.rest().find("*/").ok_or_else(|| Problem::message("the comment is not closed").at(open))?;
        self.at += length + 2;
        let blanks = marked_right(self.rest(), &self.delimiters.right) && self.blanks();
        if blanks {
            self.at += 1 + self.delimiters.right.len();
            return Ok(true);
        }
        if !self.rest().starts_with(&self.delimiters.right) {
            return Err(Problem::message("a comment must fill its whole action").at(open));
        }
        self.at += self.delimiters.right.len();
        Ok(false)
    }

    fn blanks(&mut self) -> bool {
        let before = self.at;
        self.at = self.source.len() - self.rest().trim_start_matches(is_blank).len();
        self.at > before
    }

    /// Takes the action's end if it is here; says whether it trims.
    fn close(&mut self, after_blanks: bool) -> Option<bool> {
        let start = self.at;
        let right = &self.delimiters.right;
        let trims = after_blanks && self.rest().strip_prefix('-').is_some_and(|rest| rest.starts_with(right));
        if !trims && !self.rest().starts_with(right) {
            return None;
        }
        self.at += right.len() + if trims { 1 } else { 0 };
        self.push(Kind::Close, start);
        Some(trims)
    }

    fn token(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or_default();
        let second = rest[first.len_utf8()..].chars().next();
        let kind = match first {
            '(' => self.sign(1, Kind::Left),
            ')' => self.sign(1, Kind::Right),
            '|' => self.sign(1, Kind::Pipe),
            ',' => self.sign(1, Kind::Comma),
            '=' => self.sign(1, Kind::Assign),
            ':' if second == Some('=') => self.sign(2, Kind::Declare),
            '"' => self.quoted()?,
            '`' => self.raw()?,
            '\'' => self.character()?,
            '.' if second.is_some_and(is_name) && !second.is_some_and(|c| c.is_ascii_digit()) => {
                self.name(1, Kind::Field)?
            }
            '.' if !second.is_some_and(|c| c.is_ascii_digit()) => self.sign(1, Kind::Dot),
            '$' => self.name(0, Kind::Variable)?,
            '0'..='9' | '.' | '+' | '-' => self.number()?,
            c if is_name(c) => self.name(0, Kind::Word)?,
            c => return Err(Problem::message(format!("{c:?} has no meaning inside an action")).at(start)),
        };
        self.push(kind, start);
        Ok(())
    }

    fn sign(&mut self, length: usize, kind: Kind<'s>) -> Kind<'s> {
        self.at += length;
        kind
    }

    /// Takes a name whose first character is always taken, and leaves `skip` bytes of it out.
    fn name(&mut self, skip: usize, kind: fn(&'s str) -> Kind<'s>) -> Result<Kind<'s>, Fault> {
        let rest = self.rest();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let length = rest[first..].find(|c| !is_name(c)).map_or(rest.len(), |more| first + more);
        self.at += length;
        self.name_ends_well(&rest[..length])?;
        Ok(kind(&rest[skip..length]))
    }

    fn name_ends_well(&self, name: &str) -> Result<(), Fault> {
        let rest = self.rest();
        let ends = |c: char| is_blank(c) || matches!(c, '.' | ',' | '|' | ':' | '(' | ')');
        if rest.is_empty() || rest.starts_with(ends) || rest.starts_with(&self.delimiters.right) {
            return Ok(());
        }
        let bad = rest.chars().next().unwrap_or_default();
        let hint = match name.starts_with('.') {
            true => "; a key with such a character is reached by index, as in (index .Data.data \"a-b\")",
            false => "",
        };
        Err(Problem::message(format!("{bad:?} cannot follow {name}{hint}")).at(self.at))
    }

    fn quoted(&mut self) -> Result<Kind<'s>, Fault> {
        let length = literal::quoted_length(self.rest(), '"')
            .ok_or_else(|| Problem::message("the text is not closed by \" on its line").at(self.at))?;
        let inner = &self.rest()[1..length - 1];
        let text = literal::unquote(inner).map_err(|problem| problem.at(self.at))?;
        self.at += length;
        Ok(Kind::Quoted(text))
    }

    fn raw(&mut self) -> Result<Kind<'s>, Fault> {
        let inner = self.rest()[1..].split_once('`').map(|(inner, _)| inner);
        let inner = inner.ok_or_else(|| Problem::message("the raw text is not closed by `").at(self.at))?;
        self.at += inner.len() + 2;
        // Go drops carriage returns from raw texts.
        Ok(Kind::Quoted(inner.replace('\r', "").as_str().into()))
    }

    fn character(&mut self) -> Result<Kind<'s>, Fault> {
        let length = literal::quoted_length(self.rest(), '\'')
            .ok_or_else(|| Problem::message("the character is not closed by '").at(self.at))?;
        let inner = &self.rest()[1..length - 1];
        let number = literal::character(inner).map_err(|problem| problem.at(self.at))?;
        self.at += length;
        Ok(Kind::Int(number))
    }

    fn number(&mut self) -> Result<Kind<'s>, Fault> {
        let rest = self.rest();
        let length = literal::number_length(rest);
        let number = literal::number(&rest[..length]).map_err(|problem| problem.at(self.at))?;
        self.at += length;
        Ok(number)
    }
}

/// Says whether a left delimiter is followed by a trim marker, which needs a blank behind it.
fn marked_left(inside: &str) -> bool {
    inside.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_blank))
}

/// Says whether `rest` is blanks, a trim marker and the delimiter.
fn marked_right(rest: &str, right: &str) -> bool {
    let marker = rest.trim_start_matches(is_blank);
    marker.len() < rest.len() && marker.strip_prefix('-').is_some_and(|rest| rest.starts_with(right))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
