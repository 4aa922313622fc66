//! What a registry is shown, and what comes of it.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use strongbox::{
    container::{
        Anonymous, Arrival, Credential, Engine, Error, HostSettings, Image, ImageRef, Keyring, Login, Operator,
        RegistrySettings, Source,
    },
    domain::SecretString,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, method, path},
};

use crate::{
    engine, is_whole,
    registry::{Kind, PASSWORD, Registry, USER},
    wish, within,
};

/// Shows always the same.
struct Shows(Login);

#[async_trait::async_trait]
impl Keyring for Shows {
    async fn credential(&self, _: &ImageRef) -> Result<Option<Credential>, Error> {
        Ok(Some(Credential { login: self.0.clone(), source: Source::Task }))
    }
}

fn password(text: &str) -> Shows {
    Shows(Login::Password { username: USER.into(), password: SecretString::new(text) })
}

async fn pulled(name: &str, keys: &dyn Keyring) -> Result<Image, Error> {
    within(engine().ensure_image(&wish(name), keys, &|_| ())).await
}

/// A place with an auth file and helpers.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, text: &str) -> RegistrySettings {
        self.new_file("config.json", text)
    }

    fn new_file(&self, name: &str, text: &str) -> RegistrySettings {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        RegistrySettings {
            auth_file: Some(path),
            helper_path: Some(format!("{}:/usr/bin:/bin", self.0.path().display())),
            ..RegistrySettings::default()
        }
    }

    /// Makes a helper that knows the right answer for `host` and nothing else.
    fn helper(&self, name: &str, host: &str) {
        let path = self.0.path().join(format!("docker-credential-{name}"));
        let script = format!(
            "#!/bin/sh\nread -r server\nif [ \"$1 $server\" = \"get {host}\" ]; then\n\
             echo '{{\"ServerURL\":\"{host}\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n\
             else echo 'credentials not found in native keychain'; exit 1; fi\n"
        );
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("ours");
    }
}

#[tokio::test]
async fn the_right_password_pulls_and_others_are_refused_for_good() {
    let registry = Registry::start(Kind { password: true, tls: true });
    let name = registry.offer(4096);
    for (keys, shown) in [
        (&Anonymous as &dyn Keyring, "no credential for its registry was found"),
        (&password("wrong"), "the job's auth block"),
    ] {
        let error = pulled(&name, keys).await.expect_err("refused");
        assert!(matches!(error, Error::ImageRefused { .. }) && !error.recoverable(), "{error}");
        let text = error.to_string();
        assert!(text.contains(&name) && text.contains(shown) && !text.contains("wrong"), "{text}");
    }
    let image = pulled(&name, &password(PASSWORD)).await.expect("pulled");
    assert!(is_whole(&image) && image.arrival == Arrival::Pulled, "{image:?}");
    let again = pulled(&name, &Anonymous).await.expect("it is here now");
    assert_eq!((again.arrival, again.id), (Arrival::Present, image.id));
}

#[tokio::test]
async fn a_certificate_that_the_engine_does_not_trust_is_trouble_that_passes() {
    let registry = Registry::start(Kind { password: false, tls: true });
    let name = registry.offer(4096);
    registry.distrust();
    let error = pulled(&name, &Anonymous).await.expect_err("not trusted");
    assert!(matches!(error, Error::ImageUnavailable { .. }) && error.to_string().contains("x509"), "{error}");
    registry.trust();
    pulled(&name, &Anonymous).await.expect("trusted now");
}

#[tokio::test]
async fn the_operators_file_is_read_anew_for_each_pull() {
    let registry = Registry::start(Kind { password: true, tls: false });
    let (one, two) = (registry.offer(4096), registry.offer(4096));
    let place = Place::new();
    let auth = |password: &str| {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        format!(r#"{{"auths": {{"http://{}/v2/": {{"auth": "{auth}"}}}}}}"#, registry.host())
    };
    let settings = place.file(&auth("stale"));
    let error = pulled(&one, &Operator(settings.clone())).await.expect_err("stale").to_string();
    assert!(error.contains("config.json") && !error.contains("stale"), "{error}");
    place.file(&auth(PASSWORD));
    pulled(&one, &Operator(settings.clone())).await.expect("changed without a restart");
    pulled(&two, &Operator(settings)).await.expect("pulled");
}

#[tokio::test]
async fn stores_and_helpers_are_asked_where_the_file_holds_nothing() {
    let registry = Registry::start(Kind { password: true, tls: false });
    let host = registry.host().to_owned();
    let place = Place::new();
    place.helper("strongbox-test", &host);
    let bare = RegistrySettings { auth_file: None, ..place.file("{}") };
    let helper = Some("strongbox-test".parse().expect("a name"));
    let own = HostSettings { helper: helper.clone(), vault: None };
    let store = format!(r#"{{"auths": {{"{host}": {{}}}}, "credsStore": "strongbox-test"}}"#);
    let helpers = format!(r#"{{"credHelpers": {{"{host}": "strongbox-test"}}, "credsStore": "absent"}}"#);
    for settings in [
        place.file(&store),
        place.new_file("other.json", &helpers),
        RegistrySettings { hosts: [(host.clone(), own)].into(), ..bare.clone() },
        RegistrySettings { helper, ..bare.clone() },
    ] {
        pulled(&registry.offer(64), &Operator(settings)).await.expect("pulled");
    }
}

#[tokio::test]
async fn an_identity_token_reaches_the_registrys_token_server() {
    let server = MockServer::start().await;
    let realm = format!(r#"Bearer realm="{}/token",service="test""#, server.uri());
    let challenge = ResponseTemplate::new(401).insert_header("WWW-Authenticate", realm.as_str());
    Mock::given(path("/v2/")).respond_with(challenge).mount(&server).await;
    let granted =
        ResponseTemplate::new(200).set_body_json(serde_json::json!({"access_token": "short", "expires_in": 60}));
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains("refresh_token=the-identity-token"))
        .and(body_string_contains("grant_type=refresh_token"))
        .respond_with(granted)
        .expect(1..)
        .mount(&server)
        .await;
    let absent = serde_json::json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
    Mock::given(wiremock::matchers::header("Authorization", "Bearer short"))
        .respond_with(ResponseTemplate::new(404).set_body_json(absent))
        .expect(1..)
        .mount(&server)
        .await;
    let keys = Shows(Login::IdentityToken(SecretString::new("the-identity-token")));
    let error = pulled(&format!("{}/a:1", server.address()), &keys).await.expect_err("there is none");
    assert!(!error.recoverable(), "{error}");
}
