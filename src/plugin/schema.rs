//! What the agent must know to read the operator's and the job's `config`.
//!
//! Schemas may only grow: an agent reads a running task's config again after a restart, with the schema of the day, and a
//! task whose config does not fit any more is ended.

use std::collections::HashMap;

use super::proto::hclspec::{Attr, Block, BlockList, BlockMap, Object, Spec, spec};

/// The operator's `config`.
pub fn plugin_config() -> Spec {
    object([
        text("state_dir"),
        text("runtime_dir"),
        block("engine", [text("socket")]),
        block("identity", [text("trust_domain"), text("spiffe_path"), text("dns_name"), text("role")]),
        block(
            "vault",
            [
                required("address"),
                text("namespace"),
                text("ca_file"),
                text("tls_server_name"),
                flag("allow_plain_http"),
                text("connect_timeout"),
                text("request_timeout"),
                text("issue_timeout"),
                number("max_in_flight"),
            ],
        ),
        block(
            "auth",
            [text("method"), text("mount"), text("identity"), text("key_file"), text("issuer"), text("audience")],
        ),
        block("pki", [text("mount"), text("role"), text("ttl")]),
        block("delivery", [number("size_mb"), flag("require_noswap")]),
        block("refresh", ["kv_poll", "quiet", "longest", "secrets_timeout", "reap_after", "stop_timeout"].map(text)),
        block(
            "container",
            [
                texts("allow_caps"),
                texts("allow_network_modes"),
                flag("allow_host_network"),
                flag("allow_new_privileges"),
                flag("allow_token_env"),
                flag("readonly_rootfs"),
                flag("allow_writable_rootfs"),
                number("tmp_size_mb"),
                number("pids_limit"),
                number("memory_limit_mb"),
            ],
        ),
        blocks(
            "allow",
            [
                text("namespace"),
                required("job"),
                text("group"),
                text("task"),
                texts("roles"),
                texts("paths"),
                texts("pki"),
                texts("sans"),
                flag("any"),
            ],
        ),
    ])
}

/// The job's `config`.
pub fn task_config() -> Spec {
    object([
        required("image"),
        flag("force_pull"),
        text("command"),
        texts("args"),
        texts("entrypoint"),
        text("work_dir"),
        text("hostname"),
        texts("ports"),
        text("network_mode"),
        attribute("labels", "list(map(string))", false),
        flag("readonly_rootfs"),
        texts("cap_add"),
        texts("cap_drop"),
        number("pids_limit"),
        flag("init"),
        text("vault_role"),
        labelled(
            "certificate",
            [
                text("mount"),
                text("role"),
                text("common_name"),
                texts("dns_sans"),
                texts("ip_sans"),
                text("ttl"),
                text("key_type"),
                text("change_mode"),
                text("change_signal"),
            ],
        ),
        labelled("secret", [required("path"), text("change_mode"), text("change_signal")]),
        blocks(
            "template",
            [
                text("data"),
                required("destination"),
                text("perms"),
                text("left_delimiter"),
                text("right_delimiter"),
                text("change_mode"),
                text("change_signal"),
            ],
        ),
    ])
}

type Named = (&'static str, Spec);

fn of(block: spec::Block) -> Spec {
    Spec { block: Some(block) }
}

fn object(fields: impl IntoIterator<Item = Named>) -> Spec {
    let attributes: HashMap<String, Spec> = fields.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect();
    of(spec::Block::Object(Object { attributes }))
}

fn attribute(name: &'static str, kind: &str, required: bool) -> Named {
    (name, of(spec::Block::Attr(Attr { name: name.to_owned(), r#type: kind.to_owned(), required })))
}

fn text(name: &'static str) -> Named {
    attribute(name, "string", false)
}

fn required(name: &'static str) -> Named {
    attribute(name, "string", true)
}

fn flag(name: &'static str) -> Named {
    attribute(name, "bool", false)
}

fn number(name: &'static str) -> Named {
    attribute(name, "number", false)
}

fn texts(name: &'static str) -> Named {
    attribute(name, "list(string)", false)
}

/// At most one block.
fn block(name: &'static str, fields: impl IntoIterator<Item = Named>) -> Named {
    let nested = Some(Box::new(object(fields)));
    (name, of(spec::Block::BlockValue(Box::new(Block { name: name.to_owned(), required: false, nested }))))
}

/// Any number of blocks, in order.
fn blocks(name: &'static str, fields: impl IntoIterator<Item = Named>) -> Named {
    let nested = Some(Box::new(object(fields)));
    let list = BlockList { name: name.to_owned(), min_items: 0, max_items: 0, nested };
    (name, of(spec::Block::BlockList(Box::new(list))))
}

/// Any number of blocks, each with a label of its own.
fn labelled(name: &'static str, fields: impl IntoIterator<Item = Named>) -> Named {
    let nested = Some(Box::new(object(fields)));
    let map = BlockMap { name: name.to_owned(), labels: vec!["name".to_owned()], nested };
    (name, of(spec::Block::BlockMap(Box::new(map))))
}
