//! Texts that cover others.
//!
//! `*` covers any run of characters within a segment, also none; `**` covers any run at all; a variable in braces
//! covers its value and nothing else, whatever the value holds; all other characters cover themselves.

use super::{
    pattern::{Part, Pattern, PatternError},
    values::Variable,
};

/// A text with `*`, `**` and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    pattern: Pattern,
    separator: char,
}

/// One step of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Char(char),
    Run,
    Segment,
}

impl Glob {
    /// Reads a glob whose segments end at `separator`, and in which `variables` can be used.
    pub(super) fn parse(text: &str, separator: char, variables: &[Variable]) -> Result<Self, PatternError> {
        let pattern: Pattern = text.parse()?;
        pattern.check_variables(variables)?;
        match text.trim() {
            "" => Err(pattern.flaw("is empty")),
            _ => Ok(Self { pattern, separator }),
        }
    }

    /// Returns the text as the operator wrote it.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }

    /// Says whether it says nothing, since it covers every text of its kind.
    pub(super) fn is_any(&self) -> bool {
        self.as_str().chars().all(|c| c == '*' || c == self.separator)
    }

    /// Says whether it covers `text`; `value` gives what a variable stands for. A variable without a value covers nothing.
    pub(super) fn covers<E>(&self, text: &str, mut value: impl FnMut(Variable) -> Result<String, E>) -> bool {
        let mut steps = Vec::new();
        for part in self.pattern.parts() {
            match part {
                Part::Literal(literal) => steps_of(literal, &mut steps),
                Part::Variable(variable) => match value(*variable) {
                    Ok(value) => steps.extend(value.chars().map(Step::Char)),
                    Err(_) => return false,
                },
            }
        }
        self.matches(&steps, text)
    }

    /// Follows all ways through the glob at once, so that no text takes longer than glob times text.
    fn matches(&self, steps: &[Step], text: &str) -> bool {
        let mut here = vec![false; steps.len() + 1];
        here[0] = true;
        pass_empty(steps, &mut here);
        for c in text.chars() {
            let mut next = vec![false; steps.len() + 1];
            for (at, step) in steps.iter().enumerate().filter(|(at, _)| here[*at]) {
                match step {
                    Step::Char(wanted) => next[at + 1] |= *wanted == c,
                    Step::Run => next[at] = true,
                    Step::Segment => next[at] |= c != self.separator,
                }
            }
            here = next;
            pass_empty(steps, &mut here);
        }
        here[steps.len()]
    }
}

/// Lets stars cover nothing.
fn pass_empty(steps: &[Step], here: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        if here[at] && !matches!(step, Step::Char(_)) {
            here[at + 1] = true;
        }
    }
}

fn steps_of(literal: &str, steps: &mut Vec<Step>) {
    let mut rest = literal;
    while let Some(c) = rest.chars().next() {
        let stars = rest.len() - rest.trim_start_matches('*').len();
        let (step, length) = match stars {
            0 => (Step::Char(c), c.len_utf8()),
            1 => (Step::Segment, 1),
            _ => (Step::Run, stars),
        };
        steps.push(step);
        rest = &rest[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(glob: &str, text: &str) -> bool {
        let glob = Glob::parse(glob, '/', &Variable::ALL).expect("a glob");
        glob.covers(text, |variable| match variable {
            Variable::Job => Ok("web".to_owned()),
            Variable::Task => Ok("a*b".to_owned()),
            _ => Err(()),
        })
    }

    #[test]
    fn globs_cover_what_they_say() {
        for (glob, text) in [
            ("web", "web"),
            ("*", "web"),
            ("*", ""),
            ("**", "a/b/c"),
            ("web*", "web-admin"),
            ("kv/data/*", "kv/data/a"),
            ("kv/**", "kv/data/a/b"),
            ("kv/**/b", "kv/data/a/b"),
            ("*/x/*", "a/x/b"),
            ("a*a*a", "aaa"),
            ("kv/data/{job}", "kv/data/web"),
            ("kv/data/{job}/*", "kv/data/web/db"),
            ("{task}", "a*b"),
            ("***", "a/b"),
        ] {
            assert!(covers(glob, text), "{glob} covers {text}");
        }
    }

    #[test]
    fn globs_cover_nothing_else() {
        for (glob, text) in [
            ("web", "web-admin"),
            ("web-admin", "web"),
            ("web", "Web"),
            ("*", "a/b"),
            ("kv/data/*", "kv/data/a/b"),
            ("kv/data/*", "kv/data"),
            ("kv/data/{job}", "kv/data/web-admin"),
            ("kv/data/{job}/*", "kv/data/web-admin/db"),
            ("kv/data/{job}", "kv/data/{job}"),
            ("{task}", "axxb"),
            ("{group}", ""),
            ("a?", "ab"),
            ("[a]", "a"),
        ] {
            assert!(!covers(glob, text), "{glob} does not cover {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob = "a*".repeat(200) + "b";
        assert!(!covers(&glob, &"a".repeat(2000)));
    }

    #[test]
    fn globs_that_say_nothing_are_known() {
        let is_any = |text| Glob::parse(text, '/', &[]).expect("a glob").is_any();
        assert!(is_any("*") && is_any("**") && is_any("*/*") && !is_any("a*") && !is_any("*-*"));
        assert!(Glob::parse("", '/', &[]).is_err() && Glob::parse(" ", '/', &[]).is_err());
        assert!(Glob::parse("{job}", '/', &[]).is_err());
    }
}
