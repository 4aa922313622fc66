//! Compiles the wire's messages without a system `protoc`, and the launcher that goes into containers.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message;

const PROTOS: [&str; 9] = [
    "plugins/base/proto/base.proto",
    "plugins/drivers/proto/driver.proto",
    "plugins/shared/hclspec/hcl_spec.proto",
    "plugins/shared/structs/attribute.proto",
    "plugins/shared/structs/recoverable_error.proto",
    "goplugin/broker.proto",
    "goplugin/controller.proto",
    "goplugin/stdio.proto",
    "google/rpc/status.proto",
];

/// Messages that carry environments, configurations or a user's keystrokes; they get no `Debug`, so that no log line
/// can print them. Whatever holds one of them is listed too, since its `Debug` would ask for theirs.
const SECRET: [&str; 12] = [
    "hashicorp.nomad.plugins.base.proto.SetConfigRequest",
    "hashicorp.nomad.plugins.drivers.proto.TaskConfig",
    "hashicorp.nomad.plugins.drivers.proto.TaskHandle",
    "hashicorp.nomad.plugins.drivers.proto.StartTaskRequest",
    "hashicorp.nomad.plugins.drivers.proto.StartTaskResponse",
    "hashicorp.nomad.plugins.drivers.proto.RecoverTaskRequest",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskRequest",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskResponse",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskStreamingIOOperation",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskStreamingRequest",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskStreamingRequest.Setup",
    "hashicorp.nomad.plugins.drivers.proto.ExecTaskStreamingResponse",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(SECRET).compile_fds(descriptors)?;
    build_launcher(&out.join("launcher"))
}

/// Compiles the launcher as a program of its own, static and small, for the platform that the plugin is for.
fn build_launcher(to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=launcher/main.rs");
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("cargo names no compiler")?);
    rustc.args(["--edition", "2024", "--crate-name", "launcher", "--crate-type", "bin", "--target"]);
    rustc.arg(env::var("TARGET")?);
    for option in [
        "opt-level=s",
        "panic=abort",
        "strip=symbols",
        "lto=fat",
        "codegen-units=1",
        "target-feature=+crt-static",
        "relocation-model=static",
    ] {
        rustc.args(["-C", option]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    match rustc.arg("-o").arg(to).arg("launcher/main.rs").status()?.success() {
        true => Ok(()),
        false => Err("the launcher was not built; it needs the C library's static half (Debian: libc6-dev)".into()),
    }
}
