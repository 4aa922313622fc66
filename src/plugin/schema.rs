//! What the agent must know to read the operator's and the job's `config`.
//!
//! Schemas may only grow: an agent reads a running task's config again after a restart, with the schema of the day, and a
//! task whose config does not fit any more is ended.

use std::collections::HashMap;

use super::proto::hclspec::{Attr, Block, BlockAttrs, BlockList, BlockMap, Object, Spec, spec};

/// The operator's `config`.
pub fn plugin_config() -> Spec {
    object([
        text("state_dir"),
        text("runtime_dir"),
        block("engine", [text("socket")]),
        block(
            "registry",
            [
                flag("allow_inline"),
                text("auth_file"),
                text("helper"),
                text("helper_path"),
                labelled("host", [text("helper"), text("vault")]),
            ],
        ),
        block(
            "pull",
            [
                flag("always"),
                number("max_parallel"),
                text("timeout"),
                text("activity_timeout"),
                text("progress_interval"),
            ],
        ),
        block("gc", [text("image"), text("image_delay"), texts("image_keep")]),
        block("identity", [text("trust_domain"), text("spiffe_path"), text("dns_name"), text("role")]),
        block("vault", vault()),
        auth(),
        pki(),
        labelled("cluster", vault().into_iter().chain([auth(), pki()])),
        block("delivery", [number("size_mb"), flag("require_noswap"), flag("allow_env")]),
        block("audit", [text("file"), flag("enabled"), flag("required"), number("max_size_mb"), number("keep")]),
        block("network", ["infra_image", "infra_image_pull_timeout", "reap_after"].map(text)),
        block(
            "refresh",
            ["kv_poll", "quiet", "longest", "secrets_timeout", "reap_after", "stop_timeout", "revoke_after"].map(text),
        ),
        block("metrics", [text("address"), flag("allow_remote")]),
        block("container", container_gates()),
        block("allowed_modes", ["network", "pid", "ipc", "uts", "userns", "cgroup"].map(texts)),
        block(
            "volumes",
            [
                texts("allow_host_paths"),
                flag("allow_named"),
                texts("allow_drivers"),
                flag("allow_shared"),
                text("selinux_label"),
            ],
        ),
        block("logging", [text("driver"), maps("options"), texts("allow_drivers"), flag("collect"), flag("redact")]),
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
                texts("principals"),
                texts("deliver"),
                text("max_ttl"),
                texts("clusters"),
                texts("vault_namespaces"),
                flag("any"),
            ],
        ),
    ])
}

/// How a cluster of secrets servers is spoken with.
fn vault() -> Vec<Named> {
    let texts_of = ["address", "namespace", "ca_file", "tls_server_name"].map(text);
    let limits = ["connect_timeout", "request_timeout", "issue_timeout"].map(text);
    let more = [texts("addresses"), flag("allow_plain_http"), number("max_in_flight"), number("max_rate")];
    texts_of.into_iter().chain(limits).chain(more).collect()
}

/// How tasks log in there.
fn auth() -> Named {
    let of_tasks = ["method", "mount", "identity", "key_file", "issuer", "audience"].map(text);
    let of_node = [
        "role_id",
        "secret_id_file",
        "wrapped_secret_id_file",
        "client_cert_file",
        "client_key_file",
        "role",
        "token_file",
        "token_role",
        "token_ttl",
        "token_explicit_max_ttl",
    ]
    .map(text);
    block("auth", of_tasks.into_iter().chain(of_node).chain([texts("token_policies")]))
}

fn pki() -> Named {
    block("pki", ["mount", "role", "ttl", "trust"].map(text))
}

fn container_gates() -> Vec<Named> {
    let mut gates = [
        "allow_privileged",
        "allow_host_network",
        "allow_new_privileges",
        "allow_unconfined",
        "allow_token_env",
        "allow_root",
        "require_digest",
        "readonly_rootfs",
        "allow_writable_rootfs",
        "allow_unlimited_memory",
    ]
    .map(flag)
    .to_vec();
    gates.extend(
        [
            "allow_caps",
            "allow_runtimes",
            "allow_apparmor",
            "allow_devices",
            "allow_sysctls",
            "allow_images",
            "extra_labels",
        ]
        .map(texts),
    );
    gates.extend(["tmp_size_mb", "pids_limit", "memory_limit_mb", "min_host_port"].map(number));
    gates.extend(["nvidia_runtime", "seccomp_dir"].map(text));
    gates
}

/// The job's `config`.
pub fn task_config() -> Spec {
    object(container_options().into_iter().chain(secret_options()))
}

/// What the built-in docker driver takes, under its names, and some more.
fn container_options() -> Vec<Named> {
    [image_options(), process_options(), security_options(), limit_options(), file_options(), network_options()]
        .concat()
}

fn image_options() -> Vec<Named> {
    vec![
        required("image"),
        texts("images"),
        flag("force_pull"),
        text("pull_policy"),
        text("platform"),
        text("image_pull_timeout"),
        text("load"),
        block("auth", ["username", "password", "server_address", "email", "vault"].map(text)),
        flag("auth_soft_fail"),
    ]
}

fn process_options() -> Vec<Named> {
    vec![
        text("command"),
        texts("args"),
        texts("entrypoint"),
        text("work_dir"),
        text("hostname"),
        flag("interactive"),
        flag("tty"),
        flag("init"),
        block("healthchecks", [flag("disable")]),
        maps("labels"),
        text("runtime"),
        text("isolation"),
        number("container_exists_attempts"),
        block("logging", [text("type"), text("driver"), maps("config")]),
    ]
}

fn security_options() -> Vec<Named> {
    vec![
        flag("privileged"),
        texts("cap_add"),
        texts("cap_drop"),
        texts("security_opt"),
        flag("readonly_rootfs"),
        text("pid_mode"),
        text("ipc_mode"),
        text("uts_mode"),
        text("userns_mode"),
        text("cgroupns"),
        blocks("devices", [required("host_path"), text("container_path"), text("cgroup_permissions")]),
        texts("group_add"),
        maps("sysctl"),
    ]
}

fn limit_options() -> Vec<Named> {
    vec![
        number("memory_hard_limit"),
        flag("cpu_hard_limit"),
        number("cpu_cfs_period"),
        text("cpuset_cpus"),
        number("pids_limit"),
        number("oom_score_adj"),
        number("shm_size"),
        free_block("storage_opt"),
        maps("ulimit"),
    ]
}

fn file_options() -> Vec<Named> {
    vec![texts("volumes"), text("volume_driver"), blocks("mount", mount()), blocks("mounts", mount())]
}

fn mount() -> Vec<Named> {
    let driver = block("driver_config", [text("name"), maps("options")]);
    vec![
        text("type"),
        text("target"),
        text("source"),
        flag("readonly"),
        block("bind_options", [text("propagation")]),
        block("tmpfs_options", [number("size"), number("mode")]),
        block("volume_options", [flag("no_copy"), maps("labels"), driver]),
    ]
}

fn network_options() -> Vec<Named> {
    vec![
        text("network_mode"),
        texts("networks"),
        texts("network_aliases"),
        text("ipv4_address"),
        text("ipv6_address"),
        text("mac_address"),
        flag("advertise_ipv6_address"),
        texts("ports"),
        attribute("port_map", "list(map(number))", false),
        texts("dns_servers"),
        texts("dns_search_domains"),
        texts("dns_options"),
        texts("extra_hosts"),
    ]
}

fn secret_options() -> Vec<Named> {
    let certificate = [
        text("mount"),
        text("role"),
        text("common_name"),
        texts("dns_sans"),
        texts("ip_sans"),
        text("ttl"),
        text("key_type"),
        flag("issue"),
        flag("revoke"),
        texts("formats"),
    ];
    let template =
        [text("data"), required("destination"), text("left_delimiter"), text("right_delimiter"), flag("env")];
    vec![
        text("vault_role"),
        text("vault_cluster"),
        text("vault_namespace"),
        labelled("certificate", certificate.into_iter().chain(access()).chain(upkeep())),
        labelled("ssh_certificate", ssh_certificate().into_iter().chain(access()).chain(upkeep()).chain(losses())),
        labelled("decrypt", decrypt().into_iter().chain(access()).chain(upkeep()).chain(losses())),
        blocks("vault_token", vault_token().into_iter().chain(access()).chain(upkeep()).chain(losses())),
        labelled("secret", secret().into_iter().chain(access()).chain(upkeep()).chain(losses())),
        blocks("template", template.into_iter().chain(access()).chain(upkeep()).chain(losses())),
    ]
}

/// How files are kept up: what certificate, secret and template share.
fn upkeep() -> Vec<Named> {
    let script = [required("command"), texts("args"), text("timeout"), flag("fail_on_error"), flag("first_run")];
    vec![
        text("change_mode"),
        text("change_signal"),
        block("change_script", script),
        text("splay"),
        text("on_outage"),
        text("outage_grace"),
    ]
}

fn secret() -> Vec<Named> {
    vec![
        required("path"),
        number("version"),
        text("method"),
        maps("params"),
        text("encoding"),
        flag("env"),
        flag("optional"),
        maps("default"),
        text("format"),
        text("field"),
        text("file"),
    ]
}

fn ssh_certificate() -> Vec<Named> {
    vec![
        required("mount"),
        required("role"),
        texts("valid_principals"),
        text("cert_type"),
        text("key_type"),
        text("ttl"),
        maps("extensions"),
    ]
}

fn decrypt() -> Vec<Named> {
    vec![required("key"), text("ciphertext"), maps("fields"), text("context")]
}

fn vault_token() -> Vec<Named> {
    vec![text("file"), texts("policies"), text("ttl"), text("wrap_ttl")]
}

/// What becomes of files that can be denied or deleted.
fn losses() -> Vec<Named> {
    ["on_denied", "on_delete"].map(text).to_vec()
}

/// Who may read a block's files.
fn access() -> Vec<Named> {
    ["perms", "owner", "group"].map(text).to_vec()
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

/// A list of maps that are put together: users write `name { key = "value" }`.
fn maps(name: &'static str) -> Named {
    attribute(name, "list(map(string))", false)
}

/// At most one block with whatever names in it.
fn free_block(name: &'static str) -> Named {
    let attributes = BlockAttrs { name: name.to_owned(), r#type: "string".to_owned(), required: false };
    (name, of(spec::Block::BlockAttrs(attributes)))
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
