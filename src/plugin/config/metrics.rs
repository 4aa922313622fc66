//! The operator's words on the page of figures.

use std::{net::SocketAddr, path::PathBuf};

use super::fields::{Fields, quoted};
use crate::driver::Listen;

/// Reads the block `metrics`; without an address there is no page.
pub(super) fn metrics(fields: &mut Fields<'_>) -> Option<Listen> {
    let mut block = fields.block_or_empty("metrics");
    let allow_remote = block.flag("allow_remote").unwrap_or_default();
    let address = block.text("address");
    let listen = address.and_then(|text| {
        listen(&text, allow_remote).map_err(|why| block.flaw("address", format_args!("{} {why}", quoted(&text)))).ok()
    });
    block.finish();
    listen
}

fn listen(text: &str, allow_remote: bool) -> Result<Listen, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() { Ok(Listen::Unix(path)) } else { Err("has no absolute path") };
    }
    let address: SocketAddr =
        text.parse().map_err(|_| "is no address; give \"127.0.0.1:9273\" or \"unix:/run/strongbox-metrics.sock\"")?;
    match (address.ip().is_loopback() || allow_remote, address.port()) {
        (_, 0) => Err("has no port"),
        (false, _) => Err(
            "is seen from outside, where anybody could read which jobs run here; give a loopback address or a unix socket, or set metrics.allow_remote",
        ),
        (true, _) => Ok(Listen::Tcp(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_on_the_machine_is_taken_unasked() {
        assert_eq!(listen("127.0.0.1:9273", false), Ok(Listen::Tcp(([127, 0, 0, 1], 9273).into())));
        assert_eq!(listen("unix:/run/m.sock", false), Ok(Listen::Unix("/run/m.sock".into())));
        assert!(listen("[::1]:9273", false).is_ok());
        assert!(listen("0.0.0.0:9273", true).is_ok());
        for wrong in
            ["0.0.0.0:9273", "10.0.0.1:9273", "[::]:9273", "127.0.0.1:0", "localhost:9273", "unix:m.sock", "9273"]
        {
            assert!(listen(wrong, false).is_err(), "{wrong}");
        }
    }
}
