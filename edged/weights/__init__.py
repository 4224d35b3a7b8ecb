"""Published files, fetched by what a card says of them and known by their checksum."""
