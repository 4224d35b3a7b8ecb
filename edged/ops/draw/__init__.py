"""Drawing for people: boxes, masks, texts, pictures beside each other, and a pen that fits the picture."""
