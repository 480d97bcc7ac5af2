mod script;
mod slots;
