//! How a certificate's, secret's or template's files are kept up: the words that the three blocks share.

use std::{ops::RangeInclusive, time::Duration};

use super::fields::{Fields, quoted};
use crate::domain::{ChangeAction, ChangeScript, Losses, OnLoss, OnOutage, Signal, Upkeep};

/// How long a script may run unless the job says otherwise, as Nomad has it.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(5);
const SCRIPT_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
/// Whoever wants a day's rest between change and action is better served by a schedule of his own.
const SPLAYS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);
const GRACES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(30 * 86_400);

/// Reads how a block's files are kept up; `default` is what happens after a change when the job does not say.
pub(super) fn upkeep(block: &mut Fields<'_>, default: ChangeAction) -> Upkeep {
    let upkeep = Upkeep::default();
    Upkeep {
        on_change: on_change(block, default),
        splay: block.duration("splay", SPLAYS).unwrap_or(upkeep.splay),
        on_outage: on_outage(block),
        losses: Losses::default(),
    }
}

/// As [`upkeep`], for what can be denied or deleted.
pub(super) fn upkeep_of_secret(block: &mut Fields<'_>, default: ChangeAction) -> Upkeep {
    let losses = Losses { on_denied: on_loss(block, "on_denied"), on_delete: on_loss(block, "on_delete") };
    Upkeep { losses, ..upkeep(block, default) }
}

fn on_loss(block: &mut Fields<'_>, name: &'static str) -> Option<OnLoss> {
    match block.text(name)?.as_str() {
        "keep" => Some(OnLoss::Keep),
        "remove" => Some(OnLoss::Remove),
        "restart" => Some(OnLoss::Restart),
        "stop" => Some(OnLoss::Stop),
        other => {
            block.flaw(name, format_args!("{} is unknown; give keep, remove, restart or stop", quoted(other)));
            None
        }
    }
}

/// Reads `change_mode` with the signal or the script that belongs to it.
fn on_change(block: &mut Fields<'_>, default: ChangeAction) -> ChangeAction {
    let mode = block.text("change_mode");
    let signal: Option<Signal> = block.parsed("change_signal");
    let script = block.block("change_script").map(script);
    let action = match mode.as_deref() {
        None => default,
        Some("noop") => ChangeAction::Noop,
        Some("restart") => ChangeAction::Restart,
        Some("script") => script.clone().map_or(ChangeAction::Noop, ChangeAction::Script),
        Some("signal") => signal.map_or(ChangeAction::Noop, ChangeAction::Signal),
        Some(other) => {
            let text = format!("{} is unknown; give noop, signal, restart or script", quoted(other));
            block.flaw("change_mode", text);
            default
        }
    };
    match (mode.as_deref(), signal, script) {
        (Some("signal"), None, _) => {
            block.flaw("change_signal", "is missing; change_mode \"signal\" needs a name such as SIGHUP");
        }
        (Some("script"), _, None) => {
            block.flaw("change_script", "is missing; change_mode \"script\" needs the block with a command");
        }
        (mode, Some(_), _) if mode != Some("signal") => {
            block.flaw("change_signal", "is given, but change_mode is not \"signal\"");
        }
        (mode, _, Some(_)) if mode != Some("script") => {
            block.flaw("change_script", "is given, but change_mode is not \"script\"");
        }
        _ => {}
    }
    action
}

fn script(mut block: Fields<'_>) -> ChangeScript {
    let script = ChangeScript {
        command: block.required_text("command"),
        args: block.texts("args"),
        timeout: block.duration("timeout", SCRIPT_TIMEOUTS).unwrap_or(SCRIPT_TIMEOUT),
        fail_on_error: block.flag("fail_on_error").unwrap_or(false),
        first_run: block.flag("first_run").unwrap_or(false),
    };
    block.finish();
    script
}

/// Reads `on_outage` with the grace that belongs to one of its words.
fn on_outage(block: &mut Fields<'_>) -> OnOutage {
    let word = block.text("on_outage");
    let grace = block.duration("outage_grace", GRACES);
    if grace.is_some() && word.as_deref() != Some("stop") {
        block.flaw("outage_grace", "is given, but on_outage is not \"stop\"");
    }
    match word.as_deref() {
        None | Some("keep") => OnOutage::Keep,
        Some("degrade") => OnOutage::Degrade,
        Some("stop") => OnOutage::Stop { grace: grace.unwrap_or_default() },
        Some(other) => {
            block.flaw("on_outage", format_args!("{} is unknown; give keep, degrade or stop", quoted(other)));
            OnOutage::Keep
        }
    }
}

/// Refuses to tell a process of a change that it cannot see: it keeps the variables that it was started with.
pub(super) fn variables_need_a_restart(block: &mut Fields<'_>, upkeep: &Upkeep) {
    if !matches!(upkeep.on_change, ChangeAction::Noop | ChangeAction::Restart) {
        block.flaw(
            "change_mode",
            "must be restart or noop with env: a process keeps the variables that it was started with",
        );
    }
}
