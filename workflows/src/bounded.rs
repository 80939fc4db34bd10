//! Lists that keep their newest entries.

/// Adds an entry, and drops the oldest if there are more than `most`.
pub(crate) fn push<T>(list: &mut Vec<T>, entry: T, most: usize) {
    list.push(entry);
    if list.len() > most {
        list.remove(0);
    }
}

/// Drops the oldest entry. Returns whether there was one.
pub(crate) fn drop_oldest<T>(list: &mut Vec<T>) -> bool {
    let is_some = !list.is_empty();
    list.drain(..usize::from(is_some));
    is_some
}
