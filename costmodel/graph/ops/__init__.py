"""Operations by family; each is a frozen dataclass that infers shapes and lowers to table rows."""
