//! One request in the form that the HTTP library wants.

use std::{collections::BTreeMap, time::Duration};

use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde_json::Value;

/// A request to any path of the API.
#[derive(Clone)]
pub(super) struct Call {
    path: String,
    method: RequestMethod,
    query: BTreeMap<String, String>,
    body: Option<Vec<u8>>,
    wrap: Option<Duration>,
}

impl Call {
    /// Returns a request that reads `path`.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), method: RequestMethod::GET, query: BTreeMap::new(), body: None, wrap: None }
    }

    /// Returns a request that writes `body` to `path`.
    pub(super) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::post_text(path, &body.to_string())
    }

    /// Returns a request that writes the JSON text `body` to `path`.
    pub(super) fn post_text(path: impl Into<String>, body: &str) -> Self {
        let body = Some(body.as_bytes().to_vec());
        Self { path: path.into(), method: RequestMethod::POST, query: BTreeMap::new(), body, wrap: None }
    }

    /// Has the answer wrapped: what comes is a token that is changed for it once, within that time.
    pub(super) fn wrapped(mut self, wrap: Option<Duration>) -> Self {
        self.wrap = wrap;
        self
    }

    /// Returns how long a wrapped answer waits.
    pub(super) fn wrap(&self) -> Option<Duration> {
        self.wrap
    }

    /// Returns the path, without the API's version.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Adds what stands behind the question mark.
    pub(super) fn with_query(mut self, query: &BTreeMap<String, String>) -> Self {
        self.query.clone_from(query);
        self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.body);
    }
}

impl Endpoint for Call {
    type Response = Value;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn query(&self) -> Result<Option<String>, ClientError> {
        match self.query.is_empty() {
            true => Ok(None),
            false => rustify::http::build_query(&self.query).map(Some),
        }
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(self.body.clone())
    }
}
