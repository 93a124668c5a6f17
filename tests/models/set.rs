//! Small sets of entries, cheap to copy, to compare and to hash.

/// Number of an entry in its ledger.
pub(crate) type Id = u16;

/// Entries, in order of number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Set(Vec<Id>);

impl Set {
    pub(crate) fn contains(&self, id: Id) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    pub(crate) fn insert(&mut self, id: Id) {
        if let Err(at) = self.0.binary_search(&id) {
            self.0.insert(at, id);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.iter().for_each(|id| self.insert(id));
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.iter().all(|id| self.contains(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Id> {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Id> for Set {
    fn from_iter<I: IntoIterator<Item = Id>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}
