//! The OpenAPI 3.1 document, made from the list of operations and the views' types.
//!
//! No counterpart in the patent. Served at `/v1/openapi.json`, published as `docs/openapi.json`; a test holds the
//! two together.
//! Easy to get wrong: a type that only some operation's query uses is no component; its properties become
//! parameters.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value by a word makes the member, or finds null; it panics for no object"
)]

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::caller::Need;
use super::operation::Operation;
use super::operations;
use crate::view::Errors;

/// The document, with a line's end.
#[must_use]
pub fn document() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut schemas);
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.to_owned(), described);
        }
    }
    schemas.subschema_for::<Errors>();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "lb control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Desired state, figures and load reports of a load-balancing packet switch.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [ { "url": "/", "description": "the address of --control" } ],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "certificate": { "type": "mutualTLS" },
            },
        },
        // What the connection itself proves (a Unix socket's peer, a loopback address) needs nothing more.
        "security": [ {}, { "token": [] }, { "certificate": [] } ],
    });
    format!("{document:#}\n")
}

fn describe(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": who(operation.need),
        "responses": responses(operation, schemas),
    });
    let parameters = parameters(operation, schemas);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = operation.body {
        described["requestBody"] =
            json!({ "required": true, "content": content(body(schemas).into()) });
    }
    described
}

const fn who(need: Need) -> &'static str {
    match need {
        Need::Read => "For readers and admins.",
        Need::Report => "For agents, readers and admins.",
        Need::Change => "For admins.",
    }
}

fn parameters(operation: &Operation, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in names_in(operation.path) {
        let schema = if name == "revision" {
            json!({ "type": "integer", "minimum": 1 })
        } else {
            json!({ "type": "string", "minLength": 1 })
        };
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    if let Some(query) = operation.query {
        let schema = Value::from(query(schemas));
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for (name, mut schema) in properties {
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"));
            let is_required = required.iter().any(|key| key == &name);
            let mut parameter = json!({ "name": name, "in": "query", "required": is_required });
            parameter["description"] = description.unwrap_or_default();
            parameter["schema"] = never_null(schema);
            parameters.push(parameter);
        }
    }
    if operation.is_conditional {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The revision that must be in force, as its ETag, such as \"17\".",
            "schema": { "type": "string", "pattern": "^(\\*|\"[0-9]+\")$" },
        }));
    }
    parameters
}

/// A query has no null: what is not there is left out.
fn never_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get("type").and_then(Value::as_array) {
        let others: Vec<&Value> = types.iter().filter(|kind| *kind != "null").collect();
        if let [only] = others.as_slice() {
            schema["type"] = (*only).clone();
        }
    }
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    let real = alternatives.and_then(|any| any.iter().find(|one| one["type"] != "null"));
    real.cloned().unwrap_or(schema)
}

fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn responses(operation: &Operation, schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let mut responses = Map::new();
    let done = match operation.answer {
        Some(answer) => {
            json!({ "description": "Done.", "content": content(answer(schemas).into()) })
        }
        None => json!({
            "description": "Done.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        }),
    };
    responses.insert("200".to_owned(), done);
    let errors = Value::from(schemas.subschema_for::<Errors>());
    let mut statuses = vec![400, 401, 403, 503];
    if operation.body.is_some() {
        statuses.extend([408, 413, 415]);
    }
    statuses.extend(operation.refusals);
    statuses.sort_unstable();
    for status in statuses {
        let refused = json!({ "description": meaning(status), "content": content(errors.clone()) });
        responses.insert(status.to_string(), refused);
    }
    responses
}

const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be read.",
        401 => "Nobody is known by this request.",
        403 => "The caller may not do this.",
        404 => "There is nothing of this name.",
        408 => "The body did not arrive in time.",
        409 => "It contradicts what is there.",
        412 => "Another revision is in force than If-Match says.",
        413 => "The body is too long.",
        415 => "The body is not JSON.",
        422 => "The document is refused; nothing has changed.",
        429 => "Too many; try again later.",
        503 => "Not now; the same request may succeed a moment later.",
        _ => "Refused.",
    }
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// Any JSON object: what stands for a document whose schema is published elsewhere.
pub(super) struct AnyObject;

impl JsonSchema for AnyObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}
