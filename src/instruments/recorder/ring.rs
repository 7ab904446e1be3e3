//! A bounded ring of records, of which the oldest is overwritten.

use std::io::{Error, ErrorKind, Result};

use super::record::Record;

/// The largest ring. Numbers of records have 32 bits. A larger ring could hold two records of one number.
const MAX_EVENTS: usize = 1 << 31;

/// The last records. Each has a number from 1 to `u32::MAX`, after which the numbers begin again.
#[derive(Debug)]
pub(super) struct Ring {
    records: Vec<Record>,
    capacity: usize,
    /// The index of the next record.
    head: usize,
    /// The number of the next record.
    next: u32,
    /// How many records there have been.
    pushed: u64,
}

/// Returns the number after this one.
const fn after(number: u32) -> u32 {
    if number == u32::MAX { 1 } else { number + 1 }
}

impl Ring {
    /// Allocates the ring. The operating system provides the memory as it is used.
    pub(super) fn new(events: usize, first: u32) -> Result<Ring> {
        if events == 0 || events > MAX_EVENTS {
            let message = format!("events is {events}: give a number from 1 to {MAX_EVENTS}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut records = Vec::new();
        records.try_reserve_exact(events).map_err(|_| {
            let bytes = events * size_of::<Record>();
            let message = format!("no memory for {events} events ({bytes} bytes): give fewer");
            Error::new(ErrorKind::OutOfMemory, message)
        })?;
        Ok(Ring {
            records,
            capacity: events,
            head: 0,
            next: first,
            pushed: 0,
        })
    }

    /// Adds a record, and returns its number.
    #[inline]
    pub(super) fn push(&mut self, record: Record) -> u32 {
        let number = self.next;
        if let Some(slot) = self.records.get_mut(self.head) {
            *slot = record;
        } else {
            self.records.push(record);
        }
        self.head += 1;
        if self.head == self.capacity {
            self.head = 0;
        }
        self.next = after(number);
        self.pushed += 1;
        number
    }

    /// Returns the index of a record; `None` if the number is 0, or its record was overwritten.
    #[inline]
    pub(super) fn index(&self, number: u32) -> Option<usize> {
        if number == 0 {
            return None;
        }
        let mut back = self.next.wrapping_sub(number);
        if number > self.next {
            back -= 1; // there is no record 0
        }
        let back = back as usize;
        if back == 0 || back > self.records.len() {
            return None;
        }
        Some(if back <= self.head {
            self.head - back
        } else {
            self.head + self.records.len() - back
        })
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Record> {
        self.index(number).map(|index| &self.records[index])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Record> {
        let index = self.index(number)?;
        self.records.get_mut(index)
    }

    /// Returns the records from the oldest to the newest, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        let (new, old) = self.records.split_at(self.head);
        let mut number = self.oldest();
        old.iter().chain(new).map(move |record| {
            let this = number;
            number = after(number);
            (this, record)
        })
    }

    /// Returns the number of the oldest record, or of the next one if there is none.
    fn oldest(&self) -> u32 {
        let count = u64::from(u32::MAX);
        let back = self.records.len() as u64;
        let oldest = (u64::from(self.next) - 1 + count - back) % count + 1;
        u32::try_from(oldest).expect("it is at most u32::MAX")
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns how many records there have been.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Returns how many records were overwritten.
    pub(super) fn dropped(&self) -> u64 {
        self.pushed - self.records.len() as u64
    }
}
