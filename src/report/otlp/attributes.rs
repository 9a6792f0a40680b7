use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub(super) fn number(key: &str, value: impl TryInto<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

pub(super) fn figure(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Who tells it.
pub(super) fn resource(version: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", "rtcstorm"), text("service.version", version)],
        ..Resource::default()
    })
}

pub(super) fn scope(version: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "rtcstorm".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    })
}
