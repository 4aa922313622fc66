//! Who may read the files that a block makes.

use super::fields::{Fields, quoted};
use crate::domain::Access;

/// Permission bits of a file unless the job says otherwise.
pub(super) const MODE: u32 = 0o400;
/// Longest name of a user or group.
const NAME_MAX: usize = 64;

/// Reads `perms`, `owner` and `group`.
pub(super) fn access(block: &mut Fields<'_>) -> Access {
    let mode = mode(block);
    let owner = name(block, "owner", true);
    let group = name(block, "group", false);
    if group.is_some() && owner.as_ref().is_some_and(|owner| owner.contains(':')) {
        block.flaw("group", "is given, but owner names a group already");
    }
    Access { mode, owner, group }
}

/// Reads octal permission bits that keep a secret from everybody else.
fn mode(block: &mut Fields<'_>) -> Option<u32> {
    let text = block.text("perms")?;
    let octal = text.chars().all(|c| c.is_digit(8)) && (3..=4).contains(&text.len());
    let bits = octal.then(|| u32::from_str_radix(&text, 8).ok()).flatten();
    match bits {
        None => block.flaw("perms", format_args!("{} is no octal mode such as \"0400\"", quoted(&text))),
        Some(bits) if bits & 0o7000 != 0 => {
            block.flaw("perms", format_args!("{} sets an id or sticky bit", quoted(&text)))
        }
        Some(bits) if bits & 0o007 != 0 => {
            block.flaw("perms", format_args!("{} opens a secret to everybody; give at most 0770", quoted(&text)));
        }
        Some(bits) => return Some(bits),
    }
    None
}

fn name(block: &mut Fields<'_>, field: &'static str, with_group: bool) -> Option<String> {
    let text = block.text(field)?;
    let parts: Vec<&str> = text.split(':').collect();
    let most = if with_group { 2 } else { 1 };
    if parts.len() <= most && parts.iter().all(|part| is_name(part)) {
        return Some(text);
    }
    let wanted = if with_group {
        "a user's name or number, or both with a group's as in \"app:staff\""
    } else {
        "a group's name or number"
    };
    block.flaw(field, format_args!("{} is not {wanted}", quoted(&text)));
    None
}

fn is_name(part: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.$-".contains(c);
    // A number that is none of the kernel's is told as such by nobody later.
    let number = part.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = || part.parse::<u32>().is_ok_and(|id| id != u32::MAX);
    !part.is_empty() && part.len() <= NAME_MAX && part.chars().all(good) && (!number || is_id())
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn users_have_names_or_numbers() {
        for good in ["app", "www-data", "_apt", "10001", "0", "machine$", "4294967294"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "a\n", "4294967295", "99999999999", "é"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
