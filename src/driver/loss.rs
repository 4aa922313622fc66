//! What is done about a secret that the server does not give any more.
//!
//! One answer is not believed: a standby may lag, a token may be dead or have policies of yesterday. Only when several in a row
//! say the same, and for a denial a fresh login hears it too, the blocks that are made of it have their say.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::{
    act::Order,
    asker::AskError,
    files,
    keeper::{Item, Keeper},
    refresh,
};
use crate::{
    domain::{Loss, OnLoss, RelPath},
    template::Dependency,
};

/// Wait before a supervisor that is busy is told again that its task must end.
const SOON: std::time::Duration = std::time::Duration::from_secs(1);

/// Looks whether `error` makes it certain that `item` is lost. Returns whether files change.
pub(super) async fn notice(keeper: &mut Keeper, item: &Item, error: &AskError) -> bool {
    let (Item::Answer(dependency), Some(loss)) = (item, error.loss()) else { return false };
    let is_certain = keeper.failures.get(item).is_some_and(refresh::Failure::is_loss);
    let is_known = keeper.holdings.answers.get(dependency).is_none_or(|held| held.lost == Some(loss));
    if !is_certain || is_known {
        return false;
    }
    let verdict = if loss == Loss::Denied { ask_anew(keeper, dependency).await } else { Verdict::Lost };
    match verdict {
        Verdict::Granted => take_new_login(keeper, dependency).await,
        Verdict::Lost => believe(keeper, item, dependency, loss, error),
        Verdict::Unclear => false,
    }
}

/// What a fresh login heard.
enum Verdict {
    Granted,
    Lost,
    Unclear,
}

/// Asks with a fresh login, whose policies are those of now.
async fn ask_anew(keeper: &Keeper, dependency: &Dependency) -> Verdict {
    let Ok(session) = keeper.asker.login().await else { return Verdict::Unclear };
    let asked = keeper.asker.ask(&session.value.token, dependency).await;
    keeper.asker.abandon(session.value).await;
    match asked {
        Err(error) if error.loss() == Some(Loss::Denied) => Verdict::Lost,
        Err(_) => Verdict::Unclear,
        Ok(_) => Verdict::Granted,
    }
}

/// Replaces a login whose policies are those of yesterday. Returns whether that was done.
async fn take_new_login(keeper: &mut Keeper, dependency: &Dependency) -> bool {
    let is_done = refresh::log_in_anew(keeper).await.is_ok();
    keeper.agenda.set_in(Item::Answer(dependency.clone()), SOON);
    is_done
}

/// Marks the answer as lost where a block wants that, and says so once.
fn believe(keeper: &mut Keeper, item: &Item, dependency: &Dependency, loss: Loss, error: &AskError) -> bool {
    let is_optional = keeper.asker.plan.is_optional(dependency);
    let users = files::users(&keeper.asker.plan, &keeper.holdings, dependency);
    let policy = users.iter().map(|upkeep| upkeep.losses.of(loss, is_optional)).max().unwrap_or(OnLoss::Keep);
    let fate = match policy {
        OnLoss::Keep => "the last good files stay",
        OnLoss::Remove => "files made of it are removed",
        OnLoss::Restart => "files made of it are removed and the container is restarted",
        OnLoss::Stop => "files made of it are removed and the task is ended",
    };
    let was_told = keeper.failures.get_mut(item).map(|failure| failure.told()).is_some();
    if was_told {
        keeper.asker.tell(format!("{} is lost: {fate}: {error}", keeper.asker.describe(item)));
    }
    let Some(held) = keeper.holdings.answers.get_mut(dependency) else { return false };
    held.lost = Some(loss);
    if policy == OnLoss::Keep {
        return false;
    }
    // What it was lent is of no use to anybody any more.
    let before = held.clone();
    held.lease = None;
    keeper.holdings.superseded.add(&before);
    true
}

/// Returns why the task must end, when something that is lost says so.
pub(super) fn doom(lost: &BTreeMap<RelPath, OnLoss>) -> Option<String> {
    let (output, _) = lost.iter().find(|(_, policy)| **policy == OnLoss::Stop)?;
    Some(format!("what {output:?} is made of is denied or deleted, and the job says stop"))
}

impl Keeper {
    /// Has the task ended, when it must; a supervisor that is busy takes it when it has told the container of the last change.
    pub(super) fn meet_doom(&mut self, orders: &mpsc::Sender<Order>) {
        let Some(why) = self.doom.take() else { return };
        if orders.try_send(Order::Fail(why)).is_err() {
            self.agenda.set_in(Item::Publish, SOON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stop_ends_a_task() {
        let lost = |policy| BTreeMap::from([("db".parse().expect("a name"), policy)]);
        assert!(doom(&lost(OnLoss::Restart)).is_none() && doom(&lost(OnLoss::Remove)).is_none());
        assert!(doom(&lost(OnLoss::Stop)).is_some_and(|why| why.contains("\"db\"")));
    }
}
