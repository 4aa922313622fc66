//! stub
#![allow(missing_docs)]
use crate::domain::*;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    pub path: ServerPath,
    pub params: BTreeMap<String, String>,
}
impl Dependency {
    pub fn read(path: ServerPath) -> Self {
        Self { path, params: BTreeMap::new() }
    }
    pub fn is_write(&self) -> bool {
        !self.params.is_empty()
    }
}
pub trait Answers {
    fn get(&self, dependency: &Dependency) -> Option<Arc<serde_json::Value>>;
}
pub struct Rendered {
    pub text: SecretBytes,
    pub used: BTreeSet<Dependency>,
    pub missing: BTreeSet<Dependency>,
}
#[derive(Clone)]
pub struct Template;
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("x")]
    MissingKey {},
    #[error("x")]
    Limit {},
    #[error("y")]
    Other,
}
impl Template {
    pub fn parse(_: &TemplateRequest) -> Result<Self, TemplateError> {
        Ok(Self)
    }
    pub fn render(&self, _: &dyn Answers, _: &BTreeMap<String, String>) -> Result<Rendered, TemplateError> {
        Err(TemplateError::Other)
    }
    pub fn literal_dependencies(&self) -> BTreeSet<Dependency> {
        BTreeSet::new()
    }
}
