//! The plugin under a real Nomad agent, with a real server of secrets, PostgreSQL and Docker.
//!
//! Each test starts an agent of its own, server and client in one, with a data directory, because an agent without one
//! recovers nothing. The agent's program is named by the variable `NOMAD`; nothing installs one, which is why these tests
//! are ignored unless `make test-nomad NOMAD=/path/to/nomad` asks for them. `STRONGBOX_PLUGIN` names another build of the
//! plugin than the one that belongs to the tests.

#[path = "nomad/agent.rs"]
mod agent;
#[path = "support/bao.rs"]
mod bao;
#[path = "nomad/bed.rs"]
mod bed;
#[path = "support/canary.rs"]
mod canary;
#[path = "nomad/cni.rs"]
mod cni;
#[path = "nomad/leftovers.rs"]
mod leftovers;
#[path = "nomad/life.rs"]
mod life;
#[path = "nomad/login.rs"]
mod login;
#[path = "nomad/network.rs"]
mod network;
#[path = "nomad/recovery.rs"]
mod recovery;
#[path = "nomad/wrong.rs"]
mod wrong;
