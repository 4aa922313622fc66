//! What our errors are called on the wire.
//!
//! UNAVAILABLE and CANCELLED are never used: an agent takes them for a sign that the plugin has died.

use prost::Message;
use tonic::{Code, Status};

use super::proto::{rpc, structs::RecoverableError};
use crate::driver::{Class, DriverError};

/// How the detail names its type; Go looks it up by this text.
const RECOVERABLE_URL: &str = "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError";

/// Returns the status for `error`, with the word on whether trying again may help.
pub fn status(error: &DriverError) -> Status {
    let code = code(error.class());
    let text = match error.class() {
        Class::TaskUnknown => format!("TaskUnknown: task not found for given id: {}", error.message()),
        _ => error.to_string(),
    };
    let details = details(code, &text, error.recoverable());
    Status::with_details(code, text, details.into())
}

/// Returns the status for a request that is malformed in itself.
pub fn malformed(why: impl std::fmt::Display) -> Status {
    status(&DriverError::new(Class::RpcInvalid, why.to_string()))
}

/// The one place where classes meet codes.
fn code(class: Class) -> Code {
    match class {
        Class::ConfigInvalid | Class::RpcInvalid => Code::InvalidArgument,
        Class::TaskExists => Code::AlreadyExists,
        Class::TaskUnknown => Code::NotFound,
        Class::Internal => Code::Internal,
        Class::AuthRefused { .. }
        | Class::BackendMalformed
        | Class::BackendTls
        | Class::BackendUnavailable
        | Class::EngineRefused { .. }
        | Class::EngineTimeout
        | Class::EngineUnavailable
        | Class::IdentityRefused
        | Class::ImageRefused
        | Class::ImageUnavailable
        | Class::NetworkGone
        | Class::NoSpace
        | Class::NotRunning
        | Class::PathRefused
        | Class::PkiMismatch
        | Class::PkiRefused
        | Class::PolicyRefused
        | Class::SecretMissing
        | Class::SecretTooLarge
        | Class::StateInvalid
        | Class::StateUnavailable
        | Class::TaskConfigInvalid
        | Class::TaskRunning
        | Class::TemplateInvalid
        | Class::TemplateLimit => Code::FailedPrecondition,
    }
}

/// Returns the bytes of the trailer that carries the detail. The code is repeated in them, because newer agents drop
/// details whose code differs from the status's own.
fn details(code: Code, message: &str, recoverable: bool) -> Vec<u8> {
    let detail = prost_types::Any {
        type_url: RECOVERABLE_URL.to_owned(),
        value: RecoverableError { recoverable }.encode_to_vec(),
    };
    rpc::Status { code: code as i32, message: message.to_owned(), details: vec![detail] }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

    use super::*;

    #[test]
    fn the_detail_is_byte_for_byte_what_an_agent_expects() {
        let expected = "CAkSCG5vIHZhdWx0GlEKS3R5cGUuZ29vZ2xlYXBpcy5jb20vaGFzaGljb3JwLm5vbWFkLnBsdWdpbnMuc2hhcmVkLn\
                        N0cnVjdHMuUmVjb3ZlcmFibGVFcnJvchICCAE";
        assert_eq!(STANDARD_NO_PAD.encode(details(Code::FailedPrecondition, "no vault", true)), expected);
    }

    #[test]
    fn the_code_in_the_details_is_the_statuss_own() {
        for class in [Class::TaskExists, Class::Internal, Class::BackendUnavailable, Class::RpcInvalid] {
            let status = status(&DriverError::new(class, "x"));
            let inner = rpc::Status::decode(status.details()).expect("a status");
            assert_eq!(inner.code, status.code() as i32);
            assert_eq!(inner.message, status.message());
        }
    }

    #[test]
    fn an_unknown_task_is_told_in_the_agents_words() {
        let status = status(&DriverError::new(Class::TaskUnknown, "a/b/c"));
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("task not found for given id"));
    }
}
