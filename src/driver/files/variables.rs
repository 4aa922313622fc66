//! Values that become variables of a task's process. Pure.
//!
//! They are written into one more file of the set, which the launcher in the container reads before it becomes the task's own
//! program. Names come from a secret's fields or a template's lines, so from somebody who may write secrets and perhaps no jobs:
//! none may decide which code runs.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{
    super::{Class, DriverError, holdings::Holdings, plan::Plan},
    MODE, secret,
};
use crate::domain::{FileSet, OutputFile, RelPath, SecretBytes};

/// The file, which the launcher knows by this name, too.
pub(in crate::driver) const VARIABLES: &str = ".strongbox-env";
/// Linux's limit for one `NAME=value` with its end (MAX_ARG_STRLEN).
const ONE_MAX: usize = 128 * 1024;
/// Most bytes together; what an image and a job have beside it must fit into the kernel's limit with them.
const ALL_MAX: usize = 1024 * 1024;
/// Names that decide what code a process runs, or that the orchestrator speaks by; a final `*` stands for any end.
const KEPT: [&str; 9] =
    ["BASH_ENV", "ENV", "GCONV_PATH", "GLIBC_TUNABLES", "IFS", "LD_*", "NOMAD_*", "PATH", "SHELLOPTS"];

/// Names and values so far, each with the block that it is from.
#[derive(Default)]
struct Variables(BTreeMap<String, (String, SecretBytes)>);

/// Adds the file, when any block of the plan has variables.
///
/// # Errors
/// A name that cannot be or may not be a variable's, one that two blocks have, a value that no variable can hold, or a template's
/// line that says nothing. Names are told, values are not.
pub(super) fn add(files: &mut FileSet, plan: &Plan, holdings: &Holdings) -> Result<(), DriverError> {
    if !plan.sets_variables() {
        return Ok(());
    }
    let mut variables = Variables::default();
    for (request, dependency) in plan.secrets.iter().filter(|(request, _)| request.env) {
        // What has ended and whose files are gone must not come back with the next restart.
        if holdings.lapsed.answers.contains(dependency) && super::degrades(&request.upkeep) {
            continue;
        }
        let fields = secret::wanted(request, holdings.answers.get(dependency))?.unwrap_or_default();
        for (name, content) in fields.iter() {
            variables.add(&format!("secret {:?}", request.name), name, content.bytes())?;
        }
    }
    for (request, _) in plan.templates.iter().filter(|(request, _)| request.env) {
        let Some(rendered) = files.files.get(&request.destination) else { continue };
        variables.add_lines(&format!("template {:?}", request.destination), &rendered.contents)?;
    }
    files.files.insert(path()?, OutputFile::new(variables.file()?, MODE));
    Ok(())
}

fn path() -> Result<RelPath, DriverError> {
    VARIABLES.parse().map_err(|error| DriverError::new(Class::Internal, format!("{error}")))
}

impl Variables {
    fn add(&mut self, block: &str, name: &str, value: SecretBytes) -> Result<(), DriverError> {
        let shown: String = name.chars().take(80).collect();
        let refused =
            |why: &str| Err(DriverError::new(Class::SecretMissing, format!("{block}: variable {shown:?} {why}")));
        if !is_name(name) {
            return refused("has a name that no variable can have; use letters, digits and _, or a template");
        }
        if is_kept(name) {
            return refused("would decide which code runs, or is the orchestrator's; choose another name");
        }
        if value.expose().contains(&0) {
            return refused("has a zero byte in its value, which no variable can hold; deliver it as a file");
        }
        if name.len() + value.expose().len() + 2 > ONE_MAX {
            return refused("is longer than the kernel takes, 128 KiB; deliver it as a file");
        }
        if let Some((other, _)) = self.0.get(name) {
            return refused(&format!("is in {other}, too; rename one"));
        }
        self.0.insert(name.to_owned(), (block.to_owned(), value));
        Ok(())
    }

    /// Reads `NAME=value` lines, blank ones and comments between them.
    fn add_lines(&mut self, block: &str, text: &SecretBytes) -> Result<(), DriverError> {
        let refused =
            |at: usize, why: &str| DriverError::new(Class::TemplateInvalid, format!("{block}: line {at} {why}"));
        let text = std::str::from_utf8(text.expose()).map_err(|_| refused(1, "is no UTF-8"))?;
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=').ok_or_else(|| refused(at, "has no =; give NAME=value"))?;
            self.add(block, name.trim(), value_of(value.trim()).map_err(|why| refused(at, why))?)?;
        }
        Ok(())
    }

    fn file(self) -> Result<SecretBytes, DriverError> {
        let size = self.0.iter().map(|(name, (_, value))| name.len() + value.expose().len() + 2).sum();
        if size > ALL_MAX {
            let text = format!("{size} bytes of variables; at most {ALL_MAX} are taken, deliver large values as files");
            return Err(DriverError::new(Class::SecretTooLarge, text));
        }
        // As large as it will be: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        for (name, (_, value)) in &self.0 {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value.expose());
            bytes.push(0);
        }
        Ok(bytes.into())
    }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|kept| kept.strip_suffix('*').map_or(name == *kept, |head| name.starts_with(head)))
}

/// Reads a value: between single quotes as it is, between double quotes with escapes, else up to a comment after a blank.
fn value_of(text: &str) -> Result<SecretBytes, &'static str> {
    let rest_is_nothing = |rest: &str| rest.trim_start().is_empty() || rest.trim_start().starts_with('#');
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted.split_once('\'').ok_or("has a quote without an end")?;
        return if rest_is_nothing(rest) { Ok(SecretBytes::new(value)) } else { Err("goes on after its quote") };
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(" #").or_else(|| text.find("\t#")).unwrap_or(text.len());
        return Ok(SecretBytes::new(text[..end].trim_end()));
    };
    let mut value = Zeroizing::new(String::with_capacity(quoted.len()));
    let mut letters = quoted.chars();
    loop {
        match letters.next().ok_or("has a quote without an end")? {
            '"' if rest_is_nothing(letters.as_str()) => return Ok(SecretBytes::new(value.as_bytes())),
            '"' => return Err("goes on after its quote"),
            '\\' => value.push(match letters.next().ok_or("has a quote without an end")? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                same @ ('"' | '\\' | '$' | '\'' | '/') => same,
                _ => return Err("has an escape that is unknown; give \\n, \\r, \\t, \\\" or \\\\"),
            }),
            letter => value.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(text: &str) -> Result<Vec<u8>, DriverError> {
        let mut variables = Variables::default();
        variables.add_lines("template \"app.env\"", &SecretBytes::new(text))?;
        variables.file().map(|bytes| bytes.expose().to_vec())
    }

    #[test]
    fn lines_are_read_as_their_writers_mean_them() {
        let text = "# head\n\nexport A = 1 # a comment\nB=x#y\nC='a \"b\" $c\\n'\nD=\"two\\nlines \\\"q\\\"\" # end\nE=\nF=a=b\n";
        let wanted = b"A=1\0B=x#y\0C=a \"b\" $c\\n\0D=two\nlines \"q\"\0E=\0F=a=b\0";
        assert_eq!(of_lines(text).expect("read"), wanted);
    }

    #[test]
    fn what_cannot_be_a_variable_is_refused_by_name_and_never_by_value() {
        for (text, told) in [
            ("A=1\nnothing", "line 2 has no ="),
            ("a-b=hunter2", "\"a-b\" has a name"),
            ("1A=hunter2", "\"1A\" has a name"),
            ("=hunter2", "\"\" has a name"),
            ("PATH=hunter2", "\"PATH\" would decide"),
            ("LD_PRELOAD=hunter2", "\"LD_PRELOAD\" would decide"),
            ("NOMAD_TOKEN=hunter2", "\"NOMAD_TOKEN\" would decide"),
            ("A='hunter2", "line 1 has a quote without an end"),
            ("A=\"hunter2\"x", "line 1 goes on after its quote"),
            ("A=\"hunter2\\q\"", "line 1 has an escape"),
            ("A=hunter\x002", "\"A\" has a zero byte"),
            ("A=1\nA=hunter2", "\"A\" is in template \"app.env\", too"),
        ] {
            let error = of_lines(text).expect_err(text);
            assert!(error.message().contains(told), "{text:?}: {error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        assert!(of_lines(&format!("A={}", "x".repeat(ONE_MAX - 3))).is_ok());
        assert!(of_lines(&format!("A={}", "x".repeat(ONE_MAX - 2))).is_err());
        let many: String = (0..9).map(|n| format!("A{n}={}\n", "x".repeat(ONE_MAX - 100))).collect();
        assert_eq!(of_lines(&many).map_err(|error| error.class()), Err(Class::SecretTooLarge));
    }
}
