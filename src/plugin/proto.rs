//! The wire's messages and services, generated from `proto/`.
//!
//! The tree mirrors the packages, because generated files name each other by their place in it; [`base`], [`drivers`],
//! [`hclspec`], [`structs`], [`goplugin`] and [`rpc`] are the short names to use. The clients are here too: the harness
//! and the tests are the other side of the same wire.

#![allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic)]

pub mod hashicorp {
    pub mod nomad {
        pub mod plugins {
            pub mod base {
                pub mod proto {
                    tonic::include_proto!("hashicorp.nomad.plugins.base.proto");
                }
            }
            pub mod drivers {
                pub mod proto {
                    tonic::include_proto!("hashicorp.nomad.plugins.drivers.proto");
                }
            }
            pub mod shared {
                pub mod hclspec {
                    tonic::include_proto!("hashicorp.nomad.plugins.shared.hclspec");
                }
                pub mod structs {
                    tonic::include_proto!("hashicorp.nomad.plugins.shared.structs");
                }
            }
        }
    }
}

pub mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

pub mod plugin {
    tonic::include_proto!("plugin");
}

pub use google::rpc;
pub use hashicorp::nomad::plugins::{
    base::proto as base,
    drivers::proto as drivers,
    shared::{hclspec, structs},
};
pub use plugin as goplugin;

/// The compiled description of all messages, for tools that speak to the plugin without our protos.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
