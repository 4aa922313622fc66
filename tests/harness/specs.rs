//! Decoding by a plugin's description, and the bytes that come of it.

use std::collections::BTreeMap;

use strongbox::plugin::proto::hclspec as wire;

use crate::harness::{
    agent::PluginConfig,
    cty::{self, Type, Value},
    hcl::{
        number::Number,
        value::{Node, Value as Raw},
    },
    spec::{self, Spec},
};

fn attr(name: &str, ty: &str) -> Spec {
    Spec::Attr { name: name.to_owned(), ty: Type::parse(ty).expect("a type"), required: false }
}

fn object(members: Vec<(&str, Spec)>) -> Spec {
    Spec::Object(members.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect())
}

fn list(name: &str, set: bool) -> Spec {
    Spec::BlockList {
        name: name.to_owned(),
        min: 0,
        max: 0,
        nested: object(vec![("v", attr("v", "string"))]).into(),
        set,
    }
}

fn decode(spec: &Spec, body: &str, names: &[(&str, &str)]) -> Result<Value, String> {
    let config = PluginConfig::from_text(&format!("config {{\n{body}\n}}")).expect("HCL");
    let name = |(name, value): &(&str, &str)| ((*name).to_owned(), Node::new(Raw::from(*value), 0..0));
    let names: BTreeMap<_, _> = names.iter().map(name).collect();
    spec::decode(spec, &config.body, &names)
        .map_err(|problems| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
}

/// Returns the bytes of what the body has under `x`.
fn bytes(spec: Spec, body: &str) -> String {
    let value = decode(&object(vec![("x", spec)]), body, &[]).unwrap_or_else(|error| panic!("{body}: {error}"));
    let bytes = hex::encode(value.encode());
    bytes.strip_prefix("81a178").expect("one member, x").to_owned()
}

#[test]
fn arguments_have_the_bytes_that_an_agent_sends() {
    for (ty, body, expected) in [
        ("string", "", "c0"),
        ("bool", "x = true", "c3"),
        ("bool", "x = \"false\"", "c2"),
        ("string", "x = \"ab\"", "a26162"),
        ("string", "x = 5", "a135"),
        ("number", "x = 5", "05"),
        ("number", "x = \"5\"", "05"),
        ("number", "x = 127", "7f"),
        ("number", "x = 128", "cc80"),
        ("number", "x = 256", "cd0100"),
        ("number", "x = 65536", "ce00010000"),
        ("number", "x = 4294967296", "cf0000000100000000"),
        ("number", "x = -1", "ff"),
        ("number", "x = -33", "d0df"),
        ("number", "x = -129", "d1ff7f"),
        ("number", "x = 1.5", "cb3ff8000000000000"),
        ("number", "x = 0.1", "a3302e31"),
        ("list(string)", "x = [\"b\", \"a\"]", "92a162a161"),
        ("list(string)", "x = []", "90"),
    ] {
        assert_eq!(bytes(attr("x", ty), body), expected, "{ty} {body}");
    }
}

#[test]
fn long_texts_have_longer_heads() {
    for (length, head) in [(31, "bf"), (32, "d920"), (256, "da0100"), (65536, "db00010000")] {
        let text = hex::encode(Value::String("a".repeat(length)).encode());
        assert!(text.starts_with(&format!("{head}61")), "{length}: {}", &text[..16]);
    }
}

#[test]
fn numbers_beyond_64_bits_are_sent_as_text() {
    let bytes = Value::Number(Number::from(1 << 64)).encode();
    assert_eq!(bytes[1..], *b"18446744073709551616");
    assert_eq!(Value::Number(Number::from(-(1 << 63))).encode(), hex::decode("d38000000000000000").expect("hex"));
}

#[test]
fn what_is_absent_is_null_or_empty_by_its_kind() {
    let nested = || Box::new(object(vec![("v", attr("v", "string"))]));
    let block = Spec::Block { name: "x".into(), required: false, nested: nested() };
    let attrs = Spec::BlockAttrs { name: "x".into(), ty: Type::String, required: false };
    let map = Spec::BlockMap { name: "x".into(), labels: 1, nested: nested() };
    let fallback = Spec::Default(attr("x", "string").into(), Spec::Literal(Value::String("d".into())).into());
    assert_eq!(bytes(block.clone(), ""), "c0");
    assert_eq!(bytes(attrs.clone(), ""), "c0");
    assert_eq!(bytes(list("x", false), ""), "90");
    assert_eq!(bytes(map.clone(), ""), "80");
    assert_eq!(bytes(fallback.clone(), ""), "a164");

    assert_eq!(bytes(block, "x {\n}"), "81a176c0");
    assert_eq!(bytes(attrs, "x {\n  k = \"v\"\n}"), "81a16ba176");
    assert_eq!(bytes(list("x", false), "x {\n}\nx {\n}"), "9281a176c081a176c0");
    assert_eq!(bytes(list("x", true), "x {\n}\nx {\n}"), "9181a176c0");
    assert_eq!(bytes(map, "x \"l\" {\n}"), "81a16c81a176c0");
    assert_eq!(bytes(fallback, "x = \"e\""), "a165");
}

#[test]
fn every_member_is_sent_in_the_order_of_its_name() {
    let spec = object(vec![("b", attr("b", "string")), ("a", attr("a", "string")), ("B", attr("B", "string"))]);
    let value = decode(&spec, "b = \"1\"", &[]).expect("a value");
    assert_eq!(hex::encode(value.encode()), "83a142c0a161c0a162a131");
}

#[test]
fn names_of_the_client_are_filled_in() {
    let spec = object(vec![("x", attr("x", "string"))]);
    let value = decode(&spec, "x = \"at $${HERE}, literally $$${HERE}\"", &[("HERE", "home")]);
    // The file's own round takes one of the dollar signs of each.
    assert_eq!(value, Ok(Value::Map([("x".to_owned(), Value::String("at home, literally ${HERE}".into()))].into())));
    assert!(decode(&spec, "x = \"$${NOWHERE}\"", &[]).expect_err("an error").contains("NOWHERE"));
}

#[test]
fn what_does_not_fit_is_named() {
    let required = Spec::Attr { name: "x".into(), ty: Type::Number, required: true };
    let spec = object(vec![("x", required), ("y", list("y", false))]);
    for (body, words) in [
        ("", "\"x\" is required"),
        ("x = \"many\"", "number is required"),
        ("x = 1\nz = 2", "no argument or block type is named \"z\""),
        ("x = 1\ny = 3", "y is a block, not number"),
    ] {
        let error = decode(&spec, body, &[]).expect_err("an error");
        assert!(error.contains(words), "{body}: {error}");
    }
}

#[test]
fn a_wrong_description_is_refused() {
    use wire::spec::Block;
    let attr = |ty: &str| wire::Spec {
        block: Some(Block::Attr(wire::Attr { name: "x".into(), r#type: ty.into(), required: false })),
    };
    assert!(Spec::from_wire(&attr("list(map(string))")).is_ok());
    for wrong in [attr("strong"), wire::Spec { block: None }] {
        assert!(Spec::from_wire(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_type_any_takes_what_is_there() {
    let node = Node::new(Raw::from(true), 0..0);
    assert_eq!(cty::convert(&node, &Type::Any), Ok(Value::Bool(true)));
}
