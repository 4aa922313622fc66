//! One pull for all, bounds, and what goes wrong.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use strongbox::container::{
    Anonymous, Arrival, Credential, Docker, Engine, Error, ImageRef, ImageWish, Keyring, Policy, Pull, PullProgress,
    PullSettings, Source,
};

use crate::{
    engine,
    engine_proxy::Proxy,
    is_whole,
    registry::{Kind, Lane, PASSWORD, Registry, USER},
    wish, within,
};

/// Shows what the test says, and counts how often it is asked.
#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    user: &'static str,
}

#[async_trait::async_trait]
impl Keyring for Counts {
    async fn credential(&self, _: &ImageRef) -> Result<Option<Credential>, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let secret = strongbox::domain::SecretString::new(PASSWORD);
        Ok((!self.user.is_empty()).then(|| Credential::of_pair(self.user, secret, Source::Task)))
    }
}

fn pulls(proxy: &Proxy) -> usize {
    proxy.requests().iter().filter(|line| line.contains("/images/create")).count()
}

#[tokio::test]
async fn callers_who_show_the_same_share_one_pull() {
    let registry = Registry::start(Kind { password: true, tls: false });
    let name = registry.offer(256 << 10);
    let lane = Lane::to(&registry, 0).await;
    let proxy = Proxy::new();
    let engine = Docker::new(Policy { socket: proxy.socket(), ..Policy::default() }, "test");
    let wish = wish(&lane.through(&registry, &name));
    let (right, other) = (Counts { user: USER, ..Counts::default() }, Counts { user: "nobody", ..Counts::default() });
    let nothing = |_| ();
    let open = async {
        proxy.asked("/images/create").await;
        lane.set(4 << 20);
    };
    let (one, two, three, ()) = within(async {
        tokio::join!(
            engine.ensure_image(&wish, &right, &nothing),
            engine.ensure_image(&wish, &right, &nothing),
            engine.ensure_image(&wish, &other, &nothing),
            open,
        )
    })
    .await;
    assert!(is_whole(&one.expect("pulled")) && is_whole(&two.expect("pulled with the first")));
    assert!(matches!(three, Err(Error::ImageRefused { .. })), "another credential rides on nobody's pull: {three:?}");
    assert_eq!(pulls(&proxy), 2);
}

#[tokio::test]
async fn an_image_that_is_here_asks_nobody_for_a_credential() {
    let registry = Registry::open();
    let name = registry.offer(64);
    let keys = Counts::default();
    let first = within(engine().ensure_image(&wish(&name), &keys, &|_| ())).await.expect("pulled");
    let second = within(engine().ensure_image(&wish(&name), &keys, &|_| ())).await.expect("here");
    assert_eq!((first.arrival, second.arrival), (Arrival::Pulled, Arrival::Present));
    assert_eq!(keys.asked.load(Ordering::Relaxed), 1);
    let always = ImageWish { pull: Pull::Always, ..wish(&name) };
    within(engine().ensure_image(&always, &keys, &|_| ())).await.expect("pulled again");
    assert_eq!(keys.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn progress_begins_at_nothing_and_comes_to_all_of_it() {
    let registry = Registry::open();
    let name = registry.offer(512 << 10);
    let lane = Lane::to(&registry, 1 << 20).await;
    let seen = Arc::new(Mutex::new(Vec::<PullProgress>::new()));
    let sink = Arc::clone(&seen);
    let progress = move |now| sink.lock().expect("no panic").push(now);
    let wish = wish(&lane.through(&registry, &name));
    within(engine().ensure_image(&wish, &Anonymous, &progress)).await.expect("pulled");
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.first(), Some(&PullProgress::default()));
    assert!(seen.iter().any(|now| now.bytes > 0 && now.bytes < now.bytes_total), "{seen:?}");
}

#[tokio::test]
async fn only_so_many_pulls_go_on_side_by_side() {
    let registry = Registry::open();
    let (one, two) = (registry.offer(64 << 10), registry.offer(64 << 10));
    let lane = Lane::to(&registry, 0).await;
    let proxy = Proxy::new();
    let settings = PullSettings { max_parallel: 1, ..PullSettings::default() };
    let policy = Policy { socket: proxy.socket(), ..Policy::default() };
    let engine = Docker::new(policy, "test").with_pulls(&settings);
    let (first, second) = (wish(&lane.through(&registry, &one)), wish(&lane.through(&registry, &two)));
    let waited = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&waited);
    let queued = move |now: PullProgress| {
        if now.queued {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let go = async {
        proxy.asked("/images/create").await;
        while waited.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = pulls(&proxy);
        lane.set(4 << 20);
        before
    };
    let (a, b, before) = within(async {
        tokio::join!(
            engine.ensure_image(&first, &Anonymous, &queued),
            engine.ensure_image(&second, &Anonymous, &queued),
            go
        )
    })
    .await;
    assert!(is_whole(&a.expect("pulled")) && is_whole(&b.expect("pulled after it")));
    assert_eq!((before, pulls(&proxy)), (1, 2));
}

#[tokio::test]
async fn a_pull_that_stalls_or_takes_too_long_is_given_up_and_may_be_tried_again() {
    let registry = Registry::open();
    let name = registry.offer(256 << 10);
    let lane = Lane::to(&registry, 0).await;
    let stalled = ImageWish { activity_timeout: Duration::from_millis(500), ..wish(&lane.through(&registry, &name)) };
    let error = within(engine().ensure_image(&stalled, &Anonymous, &|_| ())).await.expect_err("stalls");
    assert!(error.recoverable() && error.to_string().contains("stalled"), "{error}");
    lane.set(8 << 10);
    let slow = ImageWish { timeout: Duration::from_secs(1), ..wish(&lane.through(&registry, &name)) };
    let error = within(engine().ensure_image(&slow, &Anonymous, &|_| ())).await.expect_err("slow");
    assert!(error.recoverable() && error.to_string().contains("took longer"), "{error}");
    lane.set(8 << 20);
    within(engine().ensure_image(&slow, &Anonymous, &|_| ())).await.expect("quick enough now");
}

#[tokio::test]
async fn an_unknown_tag_is_refused_and_a_registry_that_is_away_is_not() {
    let mut registry = Registry::open();
    let name = registry.offer(64);
    let unknown = format!("{}:2", name.rsplit_once(':').expect("a tag").0);
    let error = within(engine().ensure_image(&wish(&unknown), &Anonymous, &|_| ())).await.expect_err("unknown");
    assert!(matches!(error, Error::ImageRefused { .. }) && error.to_string().contains(&unknown), "{error}");
    registry.end();
    let error = within(engine().ensure_image(&wish(&name), &Anonymous, &|_| ())).await.expect_err("away");
    assert!(matches!(error, Error::ImageUnavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_image_for_another_machine_is_not_taken_for_the_wanted_one() {
    let registry = Registry::open();
    let name = registry.offer(64);
    let native = ImageWish { platform: Some("linux/amd64".parse().expect("one")), ..wish(&name) };
    let image = within(engine().ensure_image(&native, &Anonymous, &|_| ())).await;
    let other = ImageWish { platform: Some("linux/s390x".parse().expect("one")), ..wish(&name) };
    let error = within(engine().ensure_image(&other, &Anonymous, &|_| ())).await.expect_err("there is none");
    assert!(image.is_ok() && error.to_string().contains("s390x"), "{image:?} {error}");
}
