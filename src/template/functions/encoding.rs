//! Other spellings of the same bytes: base64, JSON, digests.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::text;
use crate::template::{error::Problem, json, value::Value};

/// Writes bytes in base64.
pub fn base64_encode(args: &[Value]) -> Result<Value, Problem> {
    encode(&STANDARD, args)
}

/// Reads base64; the result may be any bytes.
pub fn base64_decode(args: &[Value]) -> Result<Value, Problem> {
    decode(&STANDARD, args)
}

/// Writes bytes in the base64 that needs no escapes in an URL.
pub fn base64_url_encode(args: &[Value]) -> Result<Value, Problem> {
    encode(&URL_SAFE, args)
}

/// Reads the base64 that needs no escapes in an URL.
pub fn base64_url_decode(args: &[Value]) -> Result<Value, Problem> {
    decode(&URL_SAFE, args)
}

fn encode(engine: &impl Engine, args: &[Value]) -> Result<Value, Problem> {
    let encoded = Zeroizing::new(engine.encode(text(args, 0)?.bytes()));
    Ok(encoded.as_str().into())
}

/// Line ends are skipped, since PEM-like values have them.
fn decode(engine: &impl Engine, args: &[Value]) -> Result<Value, Problem> {
    let bytes = text(args, 0)?.bytes();
    let mut joined = Zeroizing::new(Vec::with_capacity(bytes.len()));
    joined.extend(bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
    let decoded = engine.decode(joined.as_slice()).map_err(|_| Problem::message("the text is no base64"))?;
    Ok(Value::Text(Zeroizing::new(decoded).into()))
}

/// Returns the SHA-256 digest in hexadecimal digits.
pub fn sha256_hex(args: &[Value]) -> Result<Value, Problem> {
    Ok(hex::encode(Sha256::digest(text(args, 0)?.bytes())).as_str().into())
}

/// Returns the HMAC by SHA-256 of the first argument under the second, the key, in hexadecimal digits.
pub fn hmac_sha256_hex(args: &[Value]) -> Result<Value, Problem> {
    let (message, key) = (text(args, 0)?.bytes(), text(args, 1)?.bytes());
    let mut block = Zeroizing::new([0_u8; 64]);
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let padded = |pad: u8| Zeroizing::new(block.map(|byte| byte ^ pad));
    let inner = Sha256::new().chain_update(*padded(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(*padded(0x5c)).chain_update(inner).finalize();
    Ok(hex::encode(outer).as_str().into())
}

/// Reads a JSON document; an empty text is an empty map.
pub fn parse_json(args: &[Value]) -> Result<Value, Problem> {
    let document = match text(args, 0)?.bytes() {
        [] => serde_json::json!({}),
        bytes => serde_json::from_slice(bytes)
            .map_err(|error| Problem::message(format!("the text is no JSON, seen in its line {}", error.line())))?,
    };
    Value::from_json(&document, &Arc::from("the parsed JSON"))
}

/// Writes JSON that is safe within HTML.
pub fn to_json(args: &[Value]) -> Result<Value, Problem> {
    json::write(&args[0], json::Style { html_safe: true, indented: false }).map(Value::Text)
}

/// Writes JSON that is safe within HTML, over several lines.
pub fn to_json_pretty(args: &[Value]) -> Result<Value, Problem> {
    json::write(&args[0], json::Style { html_safe: true, indented: true }).map(Value::Text)
}

/// Writes JSON.
pub fn to_unescaped_json(args: &[Value]) -> Result<Value, Problem> {
    json::write(&args[0], json::Style { html_safe: false, indented: false }).map(Value::Text)
}

/// Writes JSON over several lines.
pub fn to_unescaped_json_pretty(args: &[Value]) -> Result<Value, Problem> {
    json::write(&args[0], json::Style { html_safe: false, indented: true }).map(Value::Text)
}
