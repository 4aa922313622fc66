//! Compiles the wire's messages without a system `protoc`.

use std::{env, fs, path::PathBuf};

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
    Ok(())
}
