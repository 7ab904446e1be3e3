//! Code locations, each stored once and named by a number.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// A code location: where a callback or a coroutine is defined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The path of the source file, as the language reports it.
    pub file: Arc<str>,
    /// The line, from 1; 0 if unknown.
    pub line: u32,
    /// The name of the function, with its class if there is one.
    pub function: Arc<str>,
}

/// The number of a [`Place`] in its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u32);

impl PlaceId {
    /// The place of code of which no location is known.
    pub const UNKNOWN: PlaceId = PlaceId(0);
    /// The place of all code that did not fit into the table.
    pub const OTHER: PlaceId = PlaceId(1);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of places that a table holds. A program that compiles code again and again would
/// otherwise fill the memory.
const MAX_PLACES: usize = 1 << 16;

/// The places of a loop. It never forgets one, so a number stays valid.
#[derive(Debug)]
pub struct Places {
    table: RefCell<Table>,
}

#[derive(Debug)]
struct Table {
    places: Vec<Place>,
    by_key: FxHashMap<usize, PlaceId>,
    by_value: FxHashMap<Place, PlaceId>,
}

impl Default for Places {
    fn default() -> Places {
        let special = |name: &str| Place {
            file: "".into(),
            line: 0,
            function: name.into(),
        };
        Places {
            table: RefCell::new(Table {
                places: vec![special("(unknown)"), special("(other code)")],
                by_key: FxHashMap::default(),
                by_value: FxHashMap::default(),
            }),
        }
    }
}

impl Places {
    /// Returns the number of the place of a key, which is the address of an object that stays alive
    /// as long as the table: a code object, or a `&'static Location`.
    ///
    /// Calls `make` for a new key, which must then keep that object alive. A full table returns
    /// [`PlaceId::OTHER`] for new keys, without a call. `make` may use the table.
    #[inline]
    pub fn intern(&self, key: usize, make: impl FnOnce() -> Place) -> PlaceId {
        if let Some(id) = self.table.borrow().by_key.get(&key) {
            return *id;
        }
        self.intern_new(key, make)
    }

    #[cold]
    fn intern_new(&self, key: usize, make: impl FnOnce() -> Place) -> PlaceId {
        if self.table.borrow().by_key.len() >= MAX_PLACES {
            return PlaceId::OTHER;
        }
        let id = self.by_value(make());
        self.table.borrow_mut().by_key.insert(key, id);
        id
    }

    /// Returns the number of a place that has no address, such as that of a built-in function.
    pub fn by_value(&self, place: Place) -> PlaceId {
        let mut table = self.table.borrow_mut();
        if let Some(id) = table.by_value.get(&place) {
            return *id;
        }
        match u32::try_from(table.places.len()) {
            Ok(number) if table.places.len() < MAX_PLACES => {
                let id = PlaceId(number);
                table.places.push(place.clone());
                table.by_value.insert(place, id);
                id
            }
            _ => PlaceId::OTHER,
        }
    }

    /// Returns the place of a number, which this table has returned.
    #[must_use]
    pub fn get(&self, id: PlaceId) -> Place {
        let table = self.table.borrow();
        let place = table.places.get(id.index());
        place
            .unwrap_or(&table.places[PlaceId::UNKNOWN.index()])
            .clone()
    }
}
