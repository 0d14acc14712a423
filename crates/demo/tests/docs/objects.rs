//! `docs/reference/objects.md`: the custom resources, from their definitions.

use std::fmt::Write as _;

use serde_json::Value;

use crate::reference::compare;

#[test]
fn the_objects_are_those_of_the_definitions() {
    let mut text =
        "# The objects\n\nAs `kubectl explain` has them, from the CustomResourceDefinitions.\n"
            .to_owned();
    for crd in fpga_api::crds() {
        kind(&serde_json::to_value(crd).unwrap(), &mut text);
    }
    compare("objects.md", &text);
}

fn kind(crd: &Value, text: &mut String) {
    let spec = &crd["spec"];
    let list = |values: &Value, of: fn(&Value) -> &Value| {
        let names = values.as_array().into_iter().flatten().filter_map(|value| of(value).as_str());
        names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    write!(
        text,
        "\n## {}\n\n\
         Group `{}`, versions {} with one schema, {}. `kubectl get {}`, or {}.\n\n\
         | field | type | required | meaning |\n|---|---|---|---|\n",
        spec["names"]["kind"].as_str().unwrap(),
        spec["group"].as_str().unwrap(),
        list(&spec["versions"], |version| &version["name"]),
        spec["scope"].as_str().unwrap().to_lowercase(),
        spec["names"]["plural"].as_str().unwrap(),
        list(&spec["names"]["shortNames"], |name| name),
    )
    .unwrap();
    let schema = &spec["versions"][0]["schema"]["openAPIV3Schema"];
    fields(schema, "", text);
    let rules = schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        write!(text, "\n- {}", rule["message"].as_str().unwrap()).unwrap();
    }
    text.push('\n');
}

/// A row for each property, those of objects below them.
fn fields(schema: &Value, path: &str, text: &mut String) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let is_required = if required.contains(&name.as_str()) { "yes" } else { "" };
        writeln!(
            text,
            "| `{field}` | {} | {is_required} | {} |",
            form(property),
            meaning(property)
        )
        .unwrap();
        fields(property, &field, text);
        fields(&property["items"], &format!("{field}[]"), text);
    }
}

fn form(property: &Value) -> String {
    let words: Vec<&str> =
        property["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !words.is_empty() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let kind = property["type"].as_str().unwrap_or("any");
    match property["pattern"].as_str() {
        // A bar would end the cell.
        Some(pattern) => format!("{kind}, `{}`", pattern.replace('|', "\\|")),
        None => kind.to_owned(),
    }
}

fn meaning(property: &Value) -> String {
    let text = property["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
