//! What would a stranger's client be generated from? The table of routes and the declared actions as OpenAPI 3.1.

use crate::problem::MEDIA_TYPE;
use crate::routes::{COMMON, Method, ROUTES, Route, Rule, Which};
use chancery_ledger::CODES;
use chancery_ledger::domains::{ACTIONS, ActionSpec, Shape};
use chancery_projections::views::STREAMS;
use chancery_projections::{QUEUES, VIEWS};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    paths: BTreeMap<&'static str, BTreeMap<&'static str, Operation>>,
    components: Components,
}

#[derive(Serialize)]
struct Components {
    #[serde(rename = "securitySchemes")]
    security_schemes: Value,
    schemas: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct Operation {
    summary: &'static str,
    #[serde(rename = "x-chancery-rule")]
    rule: String,
    security: Value,
    parameters: Vec<Value>,
    #[serde(rename = "requestBody", skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    responses: BTreeMap<String, Value>,
}

/// The schema of an argument.
fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Int(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::OneOf(words) => json!({"type": "string", "enum": words}),
        Shape::List(most, each) => json!({"type": "array", "maxItems": most, "items": schema(each)}),
        Shape::Text(most) => json!({"type": "string", "maxLength": most}),
        Shape::Id | Shape::Principal => json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9._:-]{0,127}$"}),
        Shape::Scope => json!({"type": "string", "pattern": "^(/|(/[a-z0-9][a-z0-9-]{0,62}){1,5})$"}),
        Shape::Digest => json!({"type": "string", "pattern": "^b3:[0-9a-f]{64}$"}),
        Shape::Fingerprint => json!({"type": "string", "pattern": "^SHA256:[A-Za-z0-9+/]{43}$"}),
        Shape::Bytes(_) => {
            json!({"type": "string", "contentEncoding": "base64", "description": shape.describe()})
        }
        Shape::Reference => json!({"type": "string", "description": shape.describe()}),
    }
}

/// The schema of an action's arguments.
fn arguments(spec: &ActionSpec) -> Value {
    let mut properties = Map::new();
    for field in spec.fields {
        let mut schema = schema(&field.shape);
        if let Value::Object(members) = &mut schema {
            let described = members.get("description").and_then(Value::as_str);
            let text =
                described.map_or_else(|| field.help.to_owned(), |shape| format!("{}: {shape}", field.help));
            members.insert("description".to_owned(), Value::String(text));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = spec.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    json!({
        "type": "object", "title": spec.id, "description": spec.help, "additionalProperties": false,
        "properties": properties, "required": required,
    })
}

/// The body of a request for an action.
fn request() -> Value {
    let named = |spec: &ActionSpec| json!({"$ref": format!("#/components/schemas/{}", spec.id)});
    let args: Vec<Value> = ACTIONS.iter().copied().flatten().map(named).collect();
    let text = json!({"type": "string"});
    json!({
        "type": "object", "additionalProperties": false, "required": ["scope"],
        "properties": {
            "scope": schema(&Shape::Scope),
            "entity": {"type": "object", "additionalProperties": false, "properties": {"id": schema(&Shape::Id), "kind": text}},
            "args": {"anyOf": args},
            "salt": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "not_after": {"type": "integer", "minimum": 0},
            "attestation": {
                "type": "object", "additionalProperties": false, "required": ["log", "key", "seq", "sig"],
                "properties": {
                    "log": text, "key": {"type": "string", "pattern": "^k:[0-9a-f]{32}$"},
                    "seq": {"type": "integer", "minimum": 0}, "sig": {"type": "string", "contentEncoding": "base64"},
                },
            },
        },
    })
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object", "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "code": text,
            "position": text, "hint": text, "hold": text, "expected": {"type": "integer"}, "receipt": {"type": "object"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": text, "code": text}}},
        },
    })
}

fn rule(rule: Rule) -> String {
    match rule {
        Rule::Open => "open".to_owned(),
        Rule::Ask => "the action in the path".to_owned(),
        Rule::Read { action, view } => format!("{action} {view}"),
        Rule::View(Which::Named) => "the access of the view in the path".to_owned(),
        Rule::View(Which::Stream) => "the access of the stream in the query".to_owned(),
    }
}

/// The schema of a parameter; of a path, where words are fixed, these words.
fn parameter_schema(route: &Route, place: &str, name: &str) -> Value {
    let words = |words: Vec<&str>| json!({"type": "string", "enum": words});
    let cursor = "^[1-9][0-9]{0,9}[.](0|[1-9][0-9]{0,15})$";
    match (place, name) {
        ("path", "view") => words(VIEWS.iter().map(|view| view.name).collect()),
        ("path", "queue") => words(QUEUES.iter().map(|queue| queue.name).collect()),
        ("path", "code") => words(CODES.iter().map(|code| code.as_str()).collect()),
        ("path", "id") if route.rule == Rule::Ask => {
            words(ACTIONS.iter().copied().flatten().map(|spec| spec.id).collect())
        }
        ("path", "position") => json!({"type": "string", "pattern": "^(0|[1-9][0-9]{0,15})$"}),
        ("query", "stream") => words(STREAMS.iter().map(|(name, _)| *name).collect()),
        ("query", "limit" | "wait_ms") => json!({"type": "integer", "minimum": 0}),
        ("query", "scope") => schema(&Shape::Scope),
        ("query", "after" | "min_position") | ("header", "Last-Event-ID") => {
            json!({"type": "string", "pattern": cursor})
        }
        ("header", "Idempotency-Key") => json!({"type": "string", "pattern": "^[A-Za-z0-9._:-]{16,128}$"}),
        _ => json!({"type": "string"}),
    }
}

fn operation(route: &Route) -> Operation {
    let parameter = |place: &str, name: &str, help: &str, required: bool| {
        let schema = parameter_schema(route, place, name);
        json!({"in": place, "name": name, "description": help, "required": required, "schema": schema})
    };
    let braces = route.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let mut parameters: Vec<Value> = braces.map(|name| parameter("path", name, "", true)).collect();
    parameters.extend(route.query.iter().map(|param| parameter("query", param.name, param.help, false)));
    if route.path.ends_with("/invoke") {
        let help = "key under which a repeated request gets the same answer";
        parameters.push(parameter("header", "Idempotency-Key", help, true));
    }
    if route.statuses.contains(&304) {
        parameters.push(parameter("header", "If-None-Match", "the entity tag of what the caller has", false));
    }
    if route.media == "text/event-stream" {
        parameters.push(parameter(
            "header",
            "Last-Event-ID",
            "where the stream goes on; before `after`",
            false,
        ));
    }
    let statuses: BTreeSet<u16> = COMMON.iter().chain(route.statuses).copied().collect();
    let mut responses = BTreeMap::new();
    for status in statuses {
        if status == 304 {
            let same = json!({"description": "what `If-None-Match` names"});
            responses.insert(status.to_string(), same);
            continue;
        }
        let (media, schema) = match status {
            200 | 202 if route.media == "application/json" => (route.media, json!({"type": "object"})),
            200 | 202 => (route.media, json!({"type": "string"})),
            _ => (MEDIA_TYPE, json!({"$ref": "#/components/schemas/problem"})),
        };
        let content = json!({"description": if status < 300 { "yes" } else { "a problem" }, "content": {media: {"schema": schema}}});
        responses.insert(status.to_string(), content);
    }
    let asks = route.rule == Rule::Ask;
    let reference = if asks { "#/components/schemas/request" } else { "#/components/schemas/verify" };
    let body = json!({"required": asks, "content": {"application/json": {"schema": {"$ref": reference}}}});
    Operation {
        summary: route.summary,
        rule: rule(route.rule),
        security: match route.rule {
            Rule::Open => json!([]),
            Rule::Read { .. } | Rule::View(_) => json!([{"token": []}]),
            Rule::Ask => json!([{"token": []}, {}]),
        },
        parameters,
        body: (route.method == Method::Post).then_some(body),
        responses,
    }
}

/// The document, indented.
pub fn document() -> String {
    let mut paths: BTreeMap<&str, BTreeMap<&str, Operation>> = BTreeMap::new();
    for route in ROUTES {
        let method = if route.method == Method::Get { "get" } else { "post" };
        paths.entry(route.path).or_default().insert(method, operation(route));
    }
    let mut schemas: BTreeMap<String, Value> =
        ACTIONS.iter().copied().flatten().map(|spec| (spec.id.to_owned(), arguments(spec))).collect();
    schemas.insert("request".to_owned(), request());
    schemas.insert("problem".to_owned(), problem());
    let pin =
        json!({"type": "object", "additionalProperties": false, "properties": {"pin": {"type": "string"}}});
    schemas.insert("verify".to_owned(), pin);
    let document = Document {
        openapi: "3.1.0",
        info: json!({"title": "Chancery", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0 OR MIT"}}),
        paths,
        components: Components {
            security_schemes: json!({"token": {"type": "http", "scheme": "bearer"}}),
            schemas,
        },
    };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
