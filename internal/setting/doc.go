// Package setting reads the settings that an owner writes for a channel, and
// writes the form of them that is stored.
//
// What an owner writes is decoded strictly: a key that is not known is refused
// with its path and the nearest known key ([Form.Decode], [Unknown]), and so is
// a value of another type. Drivers whose settings are a plain struct use
// [Form]; one that takes several spellings of a value starts at [Group] and
// reads on by itself. A null is everywhere the same as a key left out.
//
// What is stored ([Encode], [Stored]) has its keys sorted, so that the same
// settings are the same bytes.
package setting
