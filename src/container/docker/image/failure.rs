//! Sorts what engine and registry say about a pull by what may help.

use bollard::errors::Error as Failure;

use crate::container::{
    Error, ImageRef, ImageWish,
    docker::client::{sentence, sorted},
};

/// What a registry says when asking again will not help.
const REFUSALS: [&str; 13] = [
    "access denied",
    "authentication required",
    "denied:",
    "invalid reference",
    "manifest unknown",
    "name unknown",
    "no basic auth credentials",
    "no matching manifest",
    "not found",
    "repository does not exist",
    "requested access to the resource is denied",
    "unauthorized",
    "unsupported manifest",
];
/// What is said when nobody was reached, or was in trouble. Goes first: an address in such a sentence may hold anything.
const TROUBLE: [&str; 16] = [
    " 429 ",
    " eof ",
    "bad gateway",
    "connection refused",
    "connection reset",
    "context deadline exceeded",
    "dial tcp",
    "gateway timeout",
    "i/o timeout",
    "internal server error",
    "no such host",
    "service unavailable",
    "tls handshake",
    "too many requests",
    "toomanyrequests",
    "x509:",
];

pub(super) fn pull_failure(reference: &ImageRef, failure: Failure) -> Error {
    match failure {
        Failure::DockerResponseServerError { message, .. } => classified(reference, &message),
        Failure::DockerStreamError { error } => classified(reference, &error),
        other => sorted(&format!("pull image {reference}"), other),
    }
}

/// Sorts by the sentence: the engine passes on a registry's refusal with status 500.
pub(super) fn classified(reference: &ImageRef, message: &str) -> Error {
    let lower = without_names(reference, message);
    let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    if lower.contains("no space left") {
        let doing = format!("pull image {reference}");
        return Error::EngineRefused { doing, why: sentence(message), passing: true };
    }
    if !says(&TROUBLE) && says(&REFUSALS) { refused(reference, message) } else { unavailable(reference, message) }
}

/// Returns the message in lower case without addresses and the image's own name: the job's words are no sign of anything,
/// and an image may be called `unauthorized`.
fn without_names(reference: &ImageRef, message: &str) -> String {
    let name = reference.name();
    let path = name.split_once('/').map_or(name, |(_, path)| path);
    let own = |word: &str| {
        [name, path]
            .iter()
            .any(|own| word.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@'])))
    };
    let bare = |word: &str| word.trim_matches(['"', '\'', ',', ':', '.', '(', ')']).to_owned();
    let words = message.split_whitespace().filter(|word| !word.contains("://") && !own(&bare(word)));
    let kept: Vec<&str> = words.collect();
    format!(" {} ", kept.join(" ").to_lowercase())
}

pub(super) fn refused(reference: &ImageRef, why: &str) -> Error {
    Error::ImageRefused { image: reference.to_string(), why: sentence(why) }
}

pub(super) fn unavailable(reference: &ImageRef, why: &str) -> Error {
    Error::ImageUnavailable { image: reference.to_string(), why: sentence(why) }
}

/// The error for an image that was pulled and is not there, or is for another machine.
pub(super) fn vanished(wish: &ImageWish) -> Error {
    match &wish.platform {
        Some(platform) => refused(&wish.reference, &format!("what its registry has is not for platform {platform}")),
        None => unavailable(&wish.reference, "it was removed from this machine meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_as(image: &str, message: &str) -> Error {
        classified(&image.parse().expect("good"), message)
    }

    #[test]
    fn what_a_registry_refuses_is_not_tried_again() {
        for message in [
            "manifest for localhost:5000/a:1 not found: manifest unknown: manifest unknown",
            "Head \"http://localhost:5000/v2/a/manifests/1\": unauthorized: bad password",
            "Get \"https://x/v2/a\": no basic auth credentials",
            "pull access denied for a, repository does not exist or may require 'docker login'",
            "no matching manifest for linux/arm64 in the manifest list entries",
        ] {
            let error = sorted_as("localhost:5000/a:1", message);
            assert!(matches!(error, Error::ImageRefused { .. }), "{message}");
        }
    }

    #[test]
    fn trouble_on_the_way_is_tried_again() {
        for message in [
            "Get \"http://localhost:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
            "toomanyrequests: too many requests",
            "received unexpected HTTP status: 503 Service Unavailable",
            "dial tcp: lookup registry.example.com: no such host",
            "Get \"https://x/v2/\": x509: certificate signed by unknown authority",
            "write /var/lib/docker/tmp/x: no space left on device",
        ] {
            assert!(sorted_as("localhost:5000/a:1", message).recoverable(), "{message}");
        }
    }

    #[test]
    fn an_images_name_is_no_sign_of_anything() {
        let message =
            "Get \"https://r.example/v2/team/unauthorized/manifests/1\": received unexpected HTTP status: 502";
        assert!(sorted_as("r.example/team/unauthorized:1", message).recoverable());
        let message = "manifest for geofence:1.429 not found: manifest unknown: manifest unknown";
        assert!(!sorted_as("geofence:1.429", message).recoverable());
        assert!(sorted_as("a:1", "Get \"https://x/v2/\": EOF").recoverable());
    }
}
