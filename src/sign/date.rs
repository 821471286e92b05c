//! The dates that signed requests carry: which header counts, and how its forms are read and written.
//!
//! Not here: what time it is, and how far a date may be off.

use http::header::{DATE, HeaderMap, HeaderName};
use jiff::fmt::rfc2822;
use jiff::tz::Offset;

use crate::clock::{Timestamp, parse_http_date};

/// How [`read_http`] names what it takes.
pub(super) const HTTP_FORM: &str = "a date like 'Sun, 30 Aug 2015 12:36:00 GMT'";
/// How [`Stamp::read`] names what it takes.
pub(super) const BASIC_FORM: &str = "a date like '20150830T123600Z'";

/// A header that dates a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dated<'a> {
    pub(super) header: &'static str,
    pub(super) value: &'a [u8],
}

impl Dated<'_> {
    /// The value for people.
    pub(super) fn shown(self) -> String {
        String::from_utf8_lossy(self.value).into_owned()
    }
}

/// A date header is there more than once, so what is dated when can't be told.
pub(super) struct Repeated(pub(super) &'static str);

/// The headers that may date a request, with how they are shown; an earlier one outweighs a later.
pub(super) type Places = [(HeaderName, &'static str)];

/// Where AWS's schemes look.
pub(super) static AWS: [(HeaderName, &str); 2] =
    [(HeaderName::from_static("x-amz-date"), "x-amz-date"), (DATE, "Date")];

/// The header that dates a request, of those that the scheme knows.
pub(super) fn of<'a>(headers: &'a HeaderMap, places: &Places) -> Result<Option<Dated<'a>>, Repeated> {
    for &(ref name, header) in places {
        let mut values = headers.get_all(name).iter();
        if let Some(value) = values.next() {
            return match values.next() {
                Some(_) => Err(Repeated(header)),
                None => Ok(Some(Dated { header, value: value.as_bytes() })),
            };
        }
    }
    Ok(None)
}

/// Reads a date as HTTP or mail writes it: the signers in use send zones like `+0000` too.
pub(super) fn read_http(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    parse_http_date(text).ok().or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok())
}

/// A time to the second in ISO 8601's basic form, `20150830T123600Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    text: [u8; 16],
    time: Timestamp,
}

impl Stamp {
    /// The second that `time` is in.
    pub(super) fn at(time: Timestamp) -> Self {
        // The form has no years below 0, and nothing was signed before 1970.
        let time = Timestamp::from_second(time.as_second().max(0)).unwrap_or(Timestamp::UNIX_EPOCH);
        let civil = Offset::UTC.to_datetime(time);
        let mut text = *b"00000000T000000Z";
        let mut put = |place: usize, number: i16| {
            let number = number.unsigned_abs();
            text[place] = b'0' + (number / 10 % 10) as u8;
            text[place + 1] = b'0' + (number % 10) as u8;
        };
        put(0, civil.year() / 100);
        put(2, civil.year() % 100);
        put(4, civil.month().into());
        put(6, civil.day().into());
        put(9, civil.hour().into());
        put(11, civil.minute().into());
        put(13, civil.second().into());
        Self { text, time }
    }

    /// Reads the form as it is written here and no other; `None` too for a day that is none.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let text: [u8; 16] = value.try_into().ok()?;
        let shape = |(place, byte): (usize, &u8)| match place {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        if !text.iter().enumerate().all(shape) {
            return None;
        }
        let time = std::str::from_utf8(&text).ok()?.parse().ok()?;
        Some(Self { text, time })
    }

    pub(super) fn as_str(&self) -> &str {
        // ASCII by construction.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The day alone, `20150830`.
    pub(super) fn day(&self) -> &str {
        &self.as_str()[..8]
    }

    pub(super) fn time(&self) -> Timestamp {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_basic_form_is_written_to_the_second_below() {
        assert_eq!(Stamp::at(time("2015-08-30T12:36:00.9Z")).as_str(), "20150830T123600Z");
        assert_eq!(Stamp::at(time("2021-02-01T03:04:05Z")).as_str(), "20210201T030405Z");
        assert_eq!(Stamp::at(time("2021-02-01T03:04:05Z")).day(), "20210201");
        assert_eq!(Stamp::at(Timestamp::MIN).as_str(), "19700101T000000Z");
        assert_eq!(Stamp::at(Timestamp::MAX).as_str(), "99991230T220000Z");
    }

    #[test]
    fn only_the_basic_form_of_a_real_time_is_read() {
        assert_eq!(Stamp::read(b"20150830T123600Z").unwrap().time(), time("2015-08-30T12:36:00Z"));
        for bad in [
            "",
            "20150830T123600",
            "20150830t123600Z",
            "2015-08-30T12:36Z",
            "20150230T123600Z",
            "20150830T253600Z",
            "+0150830T123600Z",
            "20150830T123600ZZ",
        ] {
            assert_eq!(Stamp::read(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn http_dates_are_read_with_their_zones() {
        let expected = Some(time("2015-08-30T12:36:00Z"));
        assert_eq!(read_http(b"Sun, 30 Aug 2015 12:36:00 GMT"), expected);
        assert_eq!(read_http(b"Sun, 30 Aug 2015 12:36:00 +0000"), expected);
        assert_eq!(read_http(b"Sun, 30 Aug 2015 04:36:00 -0800"), expected);
        assert_eq!(read_http(b"Mon, 21 Jan 02013 19:29:03 -0800"), None);
        assert_eq!(read_http(b"20150830T123600Z"), None);
        assert_eq!(read_http(b"Sun, 30 Aug 2015 12:36:00 \xff"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(second in 0i64..253_402_207_200) {
            let stamp = Stamp::at(Timestamp::from_second(second).unwrap());
            prop_assert_eq!(Stamp::read(stamp.as_str().as_bytes()), Some(stamp));
        }

        #[test]
        fn no_bytes_from_the_wire_make_a_reader_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (Stamp::read(&value), read_http(&value));
        }
    }
}
