//! Go's formatted printing, as far as texts, numbers and truth values need it.
//!
//! Where Go prints a complaint into the result (`%!d(string=…)`), this refuses: a file with a complaint in it helps nobody,
//! and the complaint would show the value.

use super::{quoted, show};
use crate::template::{
    error::Problem,
    number,
    text::{Builder, Text},
    value::Value,
};

/// Widest field and largest precision.
const WIDEST: usize = 65_536;

/// Formats the other arguments as the first one says.
pub fn printf(args: &[Value]) -> Result<Value, Problem> {
    let Value::Text(format) = &args[0] else {
        return Err(Problem::message(format!("argument 1 is {}, not a format", args[0].kind())));
    };
    let mut run =
        Run { format: format.bytes(), at: 0, args: &args[1..], next: 0, reordered: false, out: Builder::default() };
    run.all()?;
    Ok(run.out.text().into())
}

struct Run<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    out: Builder,
}

/// What stands between the percent sign and the verb.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    blank: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl<'a> Run<'a> {
    fn all(&mut self) -> Result<(), Problem> {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let plain = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            self.out.push(&rest[..plain])?;
            self.at += plain;
            if self.at < self.format.len() {
                self.at += 1;
                self.verb()?;
            }
        }
        match self.next < self.args.len() && !self.reordered {
            true => Err(Problem::message(format!("the format uses {} of {} arguments", self.next, self.args.len()))),
            false => Ok(()),
        }
    }

    fn verb(&mut self) -> Result<(), Problem> {
        let spec = self.spec()?;
        let verb = self.byte().ok_or_else(|| Problem::message("the format ends behind a percent sign"))?;
        self.at += 1;
        if verb == b'%' {
            return self.out.push("%");
        }
        if !verb.is_ascii_alphabetic() {
            return Err(Problem::message("a percent sign is followed by no verb; write %% for the sign itself"));
        }
        let arg = self.argument()?;
        let text = spec.apply(verb, arg)?;
        self.pad(&spec, verb, &text)
    }

    fn byte(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn spec(&mut self) -> Result<Spec, Problem> {
        let mut spec = Spec::default();
        while let Some(flag) = self.byte() {
            match flag {
                b'-' => spec.minus = true,
                b'+' => spec.plus = true,
                b'#' => spec.sharp = true,
                b' ' => spec.blank = true,
                b'0' => spec.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        self.position()?;
        spec.width = self.size()?;
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.position()?;
            spec.precision = Some(self.size()?.unwrap_or(0));
        }
        self.position()?;
        Ok(spec)
    }

    /// Reads `[n]`, which says that argument n is next.
    fn position(&mut self) -> Result<(), Problem> {
        if self.byte() != Some(b'[') {
            return Ok(());
        }
        self.at += 1;
        let flaw = || Problem::message("the position in brackets is no argument's");
        let number = self.digits()?.filter(|&n| n >= 1 && n <= self.args.len()).ok_or_else(flaw)?;
        if self.byte() != Some(b']') {
            return Err(flaw());
        }
        self.at += 1;
        self.next = number - 1;
        self.reordered = true;
        Ok(())
    }

    /// Reads a number, or the star that takes it from an argument.
    fn size(&mut self) -> Result<Option<usize>, Problem> {
        if self.byte() != Some(b'*') {
            return self.digits();
        }
        self.at += 1;
        match self.argument()? {
            Value::Int(number) => within(usize::try_from(*number).ok()).map(Some),
            other => Err(Problem::message(format!("a width is {}, not a whole number", other.kind()))),
        }
    }

    fn digits(&mut self) -> Result<Option<usize>, Problem> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let text = &self.format[start..self.at];
        match text.is_empty() {
            true => Ok(None),
            false => within(std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())).map(Some),
        }
    }

    fn argument(&mut self) -> Result<&'a Value, Problem> {
        let arg = self.args.get(self.next);
        self.next += 1;
        arg.ok_or_else(|| {
            Problem::message(format!("the format wants more than the {} arguments given", self.args.len()))
        })
    }

    /// Appends `text`, filled up to the width.
    fn pad(&mut self, spec: &Spec, verb: u8, text: &Text) -> Result<(), Problem> {
        let length = text.characters().count();
        let missing = spec.width.unwrap_or(0).saturating_sub(length);
        let bytes = text.bytes();
        if spec.minus {
            self.out.push(bytes)?;
            return self.out.fill(b' ', missing);
        }
        if !spec.zero || (spec.precision.is_some() && is_whole_verb(verb)) {
            self.out.fill(b' ', missing)?;
            return self.out.push(bytes);
        }
        let signed = usize::from(
            !matches!(verb, b's' | b'q' | b'v' | b't') && matches!(bytes.first(), Some(b'-' | b'+' | b' ')),
        );
        self.out.push(&bytes[..signed])?;
        self.out.fill(b'0', missing)?;
        self.out.push(&bytes[signed..])
    }
}

fn within(number: Option<usize>) -> Result<usize, Problem> {
    number
        .filter(|&number| number <= WIDEST)
        .ok_or_else(|| Problem::message(format!("a width or precision is not within 0 and {WIDEST}")))
}

fn is_whole_verb(verb: u8) -> bool {
    matches!(verb, b'd' | b'b' | b'o' | b'x' | b'X')
}

impl Spec {
    /// Returns `value` as `verb` spells it, not yet padded.
    fn apply(&self, verb: u8, value: &Value) -> Result<Text, Problem> {
        let spelled = match (verb, value) {
            (_, Value::Nil(origin)) => return Err(Problem::null(origin.as_ref())),
            (b's' | b'v', Value::Text(text)) => self.cut(text)?,
            (b'q', Value::Text(text)) => return quoted(&self.cut(text)?),
            (b'x', Value::Text(text)) => hex::encode(self.cut_bytes(text)).as_str().into(),
            (b'X', Value::Text(text)) => hex::encode_upper(self.cut_bytes(text)).as_str().into(),
            (b't' | b'v', Value::Bool(value)) => value.to_string().as_str().into(),
            (b'd' | b'v' | b'b' | b'o' | b'x' | b'X', Value::Int(number)) => self.whole(verb, *number).as_str().into(),
            (b'c', Value::Int(number)) => character(*number)?.encode_utf8(&mut [0; 4])[..].into(),
            (b'U', Value::Int(number)) => format!("U+{:04X}", u32::from(character(*number)?)).as_str().into(),
            (b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'v', Value::Float(number)) => {
                self.float(verb, *number).as_str().into()
            }
            // The server's numbers are texts to consul-template, so templates print them so.
            (b's', Value::Int(number)) => number.to_string().as_str().into(),
            (b's', Value::Float(number)) => number::general(*number, 21).as_str().into(),
            (b'q', Value::Int(number)) => format!("\"{number}\"").as_str().into(),
            (b'v' | b's', Value::List(_) | Value::Map(_)) => {
                let mut out = Builder::default();
                show(value, &mut out)?;
                out.text()
            }
            (verb, value) => {
                return Err(Problem::message(format!("%{} cannot print {}", char::from(verb), value.kind())));
            }
        };
        Ok(spelled)
    }

    /// A precision cuts a text after so many characters.
    fn cut(&self, text: &Text) -> Result<Text, Problem> {
        let Some(precision) = self.precision else { return Ok(text.clone()) };
        let mut out = Builder::default();
        for part in text.characters().take(precision) {
            match part {
                Ok(c) => out.push_char(c)?,
                Err(byte) => out.push([byte])?,
            }
        }
        Ok(out.text())
    }

    fn cut_bytes<'t>(&self, text: &'t Text) -> &'t [u8] {
        let length = self.precision.unwrap_or(usize::MAX).min(text.bytes().len());
        &text.bytes()[..length]
    }

    fn whole(&self, verb: u8, number: i128) -> String {
        let size = number.unsigned_abs();
        let (prefix, digits) = match verb {
            b'b' => ("0b", format!("{size:b}")),
            b'o' => ("0", format!("{size:o}")),
            b'x' => ("0x", format!("{size:x}")),
            b'X' => ("0X", format!("{size:X}")),
            _ => ("", size.to_string()),
        };
        let digits = match self.precision {
            Some(0) if size == 0 => String::new(),
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        format!("{}{}{digits}", self.sign(number < 0), if self.sharp { prefix } else { "" })
    }

    fn float(&self, verb: u8, value: f64) -> String {
        let spelled = match (verb.to_ascii_lowercase(), self.precision) {
            (b'e', precision) => number::scientific(value, precision.unwrap_or(6)),
            (b'f', precision) => number::fixed(value, precision.unwrap_or(6)),
            (_, Some(precision)) => number::general_to(value, precision),
            (_, None) => number::general(value, 21),
        };
        let spelled = if verb.is_ascii_uppercase() { spelled.to_uppercase() } else { spelled };
        match spelled.starts_with(['-', '+']) {
            true => spelled,
            false => format!("{}{spelled}", self.sign(false)),
        }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match negative {
            true => "-",
            false if self.plus => "+",
            false if self.blank => " ",
            false => "",
        }
    }
}

fn character(number: i128) -> Result<char, Problem> {
    u32::try_from(number).ok().and_then(char::from_u32).ok_or_else(|| Problem::message("the number is no character's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(args: &[Value]) -> Result<String, Problem> {
        match printf(args)? {
            Value::Text(text) => Ok(text.utf8().expect("UTF-8").to_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_go_would_complain_about_in_the_result_is_an_error_without_the_value() {
        for (text, arg) in [
            ("%d", Value::from("hunter2")),
            ("%z", "hunter2".into()),
            ("%s %s", "hunter2".into()),
            ("x", "hunter2".into()),
            ("%", "hunter2".into()),
            ("%[3]s", "hunter2".into()),
            ("%*d", "hunter2".into()),
        ] {
            let error = format(&[text.into(), arg]).expect_err(text);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_huge_width_is_refused() {
        assert!(format(&["%1000000d".into(), Value::Int(1)]).is_err());
        assert!(format(&["%99999999999999999999d".into(), Value::Int(1)]).is_err());
    }

    #[test]
    fn binary_passes_through_byte_for_byte() {
        let value = printf(&["<%s>".into(), Text::from(&[0, 255, 128][..]).into()]).expect("formats");
        assert!(matches!(value, Value::Text(text) if text.bytes() == [b'<', 0, 255, 128, b'>']));
    }
}
