//! Texts with variables, checked when the configuration is loaded.

use std::{collections::BTreeSet, str::FromStr};

use super::values::Variable;

/// A text in which `{namespace} {job} {group} {task} {alloc} {node} {trust_domain}` stand for a task's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Variable(Variable),
}

/// Why a text is no pattern, or not one for its purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} {why}")]
pub struct PatternError {
    pub(super) pattern: String,
    pub(super) why: String,
}

impl Pattern {
    /// Returns the text as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Puts values in; `value` gives one for each variable.
    pub(super) fn render<E>(&self, mut value: impl FnMut(Variable) -> Result<String, E>) -> Result<String, E> {
        let part = |part: &Part| match part {
            Part::Literal(text) => Ok(text.clone()),
            Part::Variable(variable) => value(*variable),
        };
        self.parts.iter().map(part).collect()
    }

    /// Refuses a pattern that could give the same text for two tasks: each of the four names must be there, and each
    /// variable must fill all that is between two separators. No value contains a separator.
    pub(super) fn check_identifying(&self, separator: char) -> Result<(), PatternError> {
        let used: BTreeSet<Variable> = self.variables().collect();
        if let Some(missing) = Variable::IDENTIFYING.into_iter().find(|variable| !used.contains(variable)) {
            return Err(self.flaw(format!("gives the same text for different tasks; add {{{}}}", missing.name())));
        }
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Variable(variable) = part else { continue };
            let before = at == 0 || matches!(&self.parts[at - 1], Part::Literal(text) if text.ends_with(separator));
            let after = match self.parts.get(at + 1) {
                None => true,
                Some(Part::Literal(text)) => text.starts_with(separator),
                Some(Part::Variable(_)) => false,
            };
            if !(before && after) {
                let name = variable.name();
                return Err(self
                    .flaw(format!("may give the same text for different tasks; put {separator:?} around {{{name}}}")));
            }
        }
        Ok(())
    }

    /// Refuses a variable outside `known`.
    pub(super) fn check_variables(&self, known: &[Variable]) -> Result<(), PatternError> {
        match self.variables().find(|variable| !known.contains(variable)) {
            None => Ok(()),
            Some(unknown) => Err(self.flaw(format!("cannot use {{{}}} here", unknown.name()))),
        }
    }

    /// Refuses literal characters outside `good`.
    pub(super) fn check_literals(&self, good: impl Fn(char) -> bool, what: &str) -> Result<(), PatternError> {
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text),
            Part::Variable(_) => None,
        });
        match literals.flat_map(|text| text.chars()).find(|c| !good(*c)) {
            None => Ok(()),
            Some(bad) => Err(self.flaw(format!("has {bad:?}, which no {what} has"))),
        }
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Variable(variable) => Some(*variable),
        })
    }

    pub(super) fn flaw(&self, why: impl Into<String>) -> PatternError {
        PatternError { pattern: self.text.clone(), why: why.into() }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let flaw = |why: String| PatternError { pattern: text.to_owned(), why };
        let (mut rest, mut parts) = (text, Vec::new());
        while !rest.is_empty() {
            let (literal, opened) = rest.split_once('{').map_or((rest, None), |(before, after)| (before, Some(after)));
            if literal.contains('}') {
                return Err(flaw("has a \"}\" without \"{\"".to_owned()));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let Some(opened) = opened else { break };
            let (name, after) = opened.split_once('}').ok_or_else(|| flaw("has a \"{\" without \"}\"".to_owned()))?;
            let variable = Variable::from_name(name).ok_or_else(|| flaw(unknown(name)))?;
            parts.push(Part::Variable(variable));
            rest = after;
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

fn unknown(name: &str) -> String {
    let known = Variable::ALL.map(|variable| format!("{{{}}}", variable.name())).join(" ");
    format!("has the unknown variable {{{name}}}; known are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn variables_are_replaced_and_values_are_not_read_again() {
        let rendered = pattern("a/{job}/{task}").render(|variable| Ok::<_, ()>(format!("{{{}}}", variable.name())));
        assert_eq!(rendered.as_deref(), Ok("a/{job}/{task}"));
        assert_eq!(pattern("plain").render(|_| Err(())), Ok("plain".to_owned()));
    }

    #[test]
    fn broken_patterns_are_refused_with_a_reason() {
        for (text, why) in [
            ("{", "without \"}\""),
            ("a{job", "without \"}\""),
            ("}", "without \"{\""),
            ("{job}}", "without \"{\""),
            ("{Job}", "unknown variable {Job}"),
            ("{}", "unknown variable {}"),
            ("{{job}}", "unknown variable"),
            ("{job }", "{namespace} {job} {group}"),
        ] {
            let error = text.parse::<Pattern>().expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_joins_two_tasks_is_refused() {
        for (text, why) in [
            ("/ns/{namespace}/job/{job}/group/{group}", "add {task}"),
            ("/{namespace}{job}/{group}/{task}", "around {namespace}"),
            ("/{namespace}/{job}-{group}/{task}", "around {job}"),
            ("/{namespace}/{job}/{group}/t{task}", "around {task}"),
            ("/{namespace}/{job}/{group}/{task}x", "around {task}"),
        ] {
            let error = pattern(text).check_identifying('/').expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(pattern("/a/{namespace}/{job}/{group}/{task}/{alloc}").check_identifying('/'), Ok(()));
    }
}
