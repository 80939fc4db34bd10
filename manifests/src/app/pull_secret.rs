//! The app file's pull secret: a Secret of berth's namespace, and the name of its copy.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};

use super::names;

/// The most characters of a Secret's name.
const MAX_NAME: usize = 253;

/// A Secret in berth's namespace with the registry's credentials, and the name of its copy in an environment.
///
/// In the app file it is a plain name, which both have, or `{ secret: web-regcred, as: regcred }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSecret {
    /// The Secret in berth's namespace.
    pub secret: String,
    /// The copy's name.
    pub copy: String,
}

/// The long form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    secret: String,
    #[serde(rename = "as")]
    copy: String,
}

impl Serialize for PullSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.secret == self.copy {
            return serializer.serialize_str(&self.secret);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("secret", &self.secret)?;
        map.serialize_entry("as", &self.copy)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for PullSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = PullSecret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a Secret, or `secret` and `as`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<PullSecret, E> {
        let name = String::deserialize(name.into_deserializer())?;
        Ok(PullSecret { secret: name.clone(), copy: name })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PullSecret, A::Error> {
        let Named { secret, copy } = Named::deserialize(MapAccessDeserializer::new(map))?;
        Ok(PullSecret { secret, copy })
    }
}

impl JsonSchema for PullSecret {
    fn schema_name() -> Cow<'static, str> {
        "PullSecret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = |description: &str| {
            json_schema!({"description": description, "type": "string", "maxLength": MAX_NAME,
                "pattern": names::pattern::OBJECT_NAME})
        };
        json_schema!({
            "description": "A Secret in berth's namespace with the registry's credentials, and the name of its copy in an environment.",
            "anyOf": [name("The name of both."), {
                "type": "object",
                "properties": {"secret": name("The Secret in berth's namespace."), "as": name("The copy's name.")},
                "required": ["secret", "as"],
                "additionalProperties": false,
            }],
        })
    }
}
