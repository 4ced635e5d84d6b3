//! What is the body of a row? A value of its view's own type while it is folded, and text where it is stored.
//!
//! A row is changed several times before it is stored: it is written as text when it is, and not before.

use crate::view::Poison;
use chancery_ledger::format::canonical::to_bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

/// What a view may keep in a row: anything that canonical JSON can say.
pub trait Keep: Any + Send + Sync + Serialize + DeserializeOwned {}

impl<T: Any + Send + Sync + Serialize + DeserializeOwned> Keep for T {}

/// What a view keeps in a row.
#[derive(Clone)]
pub struct Body(Form);

#[derive(Clone)]
enum Form {
    /// Canonical JSON.
    Text(Arc<str>),
    /// What that text says, with what writes it, and how many bytes it takes, about.
    Value { value: Arc<dyn Any + Send + Sync>, write: fn(&dyn Any) -> Result<String, Poison>, bytes: usize },
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Body").field(&self.text()).finish()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Body {}

impl Body {
    /// A value, which takes about so many bytes: how many it is known when it is stored.
    pub(crate) fn of<T: Keep>(value: T, bytes: usize) -> Self {
        let bytes = bytes.max(size_of::<T>());
        Self(Form::Value { value: Arc::new(value), write: write::<T>, bytes })
    }

    /// As it stands in the store.
    pub(crate) fn stored(text: String) -> Self {
        Self(Form::Text(text.into()))
    }

    /// As it will stand in the store; what is copied to several rows is written once.
    pub(crate) fn written(&self) -> Result<Self, Poison> {
        Ok(Self(Form::Text(self.text()?.into())))
    }

    /// As it stands in the store.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, Poison> {
        match &self.0 {
            Form::Text(text) => Ok(Cow::Borrowed(text)),
            Form::Value { value, write, .. } => write(&**value).map(Cow::Owned),
        }
    }

    /// The value. One that was kept as another type is what its text says.
    pub(crate) fn read<T: Keep>(&self) -> Result<Arc<T>, Poison> {
        if let Form::Value { value, .. } = &self.0
            && let Ok(value) = Arc::clone(value).downcast()
        {
            return Ok(value);
        }
        let value = serde_json::from_str(&self.text()?);
        value.map(Arc::new).map_err(|error| Poison::damaged(error.to_string()))
    }

    /// The value, which is at hand from now on.
    pub(crate) fn at_hand<T: Keep>(&mut self) -> Result<Arc<T>, Poison> {
        let value: Arc<T> = self.read()?;
        if let Form::Text(text) = &self.0 {
            let (kept, bytes) = (Arc::<T>::clone(&value), text.len());
            self.0 = Form::Value { value: kept, write: write::<T>, bytes };
        }
        Ok(value)
    }

    /// It takes so many bytes as text.
    pub(crate) fn weigh(&mut self, text: usize) {
        if let Form::Value { bytes, .. } = &mut self.0 {
            *bytes = text;
        }
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Text(text) => text.len(),
            Form::Value { bytes, .. } => *bytes,
        }
    }
}

fn write<T: Keep>(value: &dyn Any) -> Result<String, Poison> {
    let lost = || Poison::new("a body is of another type than it was");
    let bytes = to_bytes(value.downcast_ref::<T>().ok_or_else(lost)?);
    let bytes = bytes.map_err(|error| Poison::new(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Poison::new(error.to_string()))
}
