//! HTTP dates (RFC 9110, 5.6.7) in the three forms that a server must accept. Pure.

use s3s::dto::{Timestamp, TimestampFormat};
use std::time::SystemTime;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Parses `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    let words: Vec<_> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match *words.as_slice() {
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        (4, year) => year,
        (2, year) => century(year),
        _ => return None,
    };
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .into_iter()
        .zip(1_u8..)
        .find_map(|(name, number)| (name == month).then_some(number))?;
    let date =
        time::Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day.parse().ok()?).ok()?;
    let mut numbers = time.split(':').map(str::parse::<u8>);
    let mut next = || numbers.next()?.ok();
    let time = time::Time::from_hms(next()?, next()?, next()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// Completes a year of two digits: one that seems to be more than 50 years ahead is in the past.
fn century(year: i32) -> i32 {
    let now = OffsetDateTime::from(SystemTime::now()).year();
    let this_century = now - now % 100 + year;
    if this_century > now + 50 { this_century - 100 } else { this_century }
}

/// Rewrites a date to the first form, the only one that `s3s` reads; `None` if it isn't a date.
pub fn normalized(text: &str) -> Option<String> {
    let mut formatted = Vec::new();
    Timestamp::from(parse(text)?).format(TimestampFormat::HttpDate, &mut formatted).ok()?;
    String::from_utf8(formatted).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_one_time() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text).unwrap().unix_timestamp(), 784_111_777, "{text}");
            assert_eq!(normalized(text).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        }
        for text in ["yesterday", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", ""] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
